use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, wd::Capabilities};
use hyper_util::client::legacy::connect::HttpConnector;
use pushgate_subscriber::post_json;
use serde_json::{Value, json};

use crate::{browser::page::Page, process::Process, stack};

/// One browser at a time: each is a dozen processes, and there may be few cores.
static ONE: Mutex<()> = Mutex::new(());

/// Runs a test inside an actix system, with a browser of its own. Waiting for its turn is no part of the test's time.
pub(super) fn browse(test: impl AsyncFnOnce(&Browser)) {
    // A test that failed has ended its browser.
    let _turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    stack::run(async {
        let browser = Browser::open().await;
        test(&browser).await;
        browser.client.close().await.expect("the browser ends");
    });
}

/// A browser of its own for a test, without a past. Ends with it.
pub(super) struct Browser {
    pub(super) client: Client,
    driver: Driver,
}

impl Browser {
    async fn open() -> Self {
        let driver = Driver::start();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ];
        let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
        let capabilities: Capabilities = serde_json::from_value(capabilities).expect("an object");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url())
            .await
            .expect("chromedriver starts Chromium: tests/browser/install.sh installs both");
        Self { client, driver }
    }

    /// The tab that is there from the beginning, on a page of this gateway.
    pub(super) async fn first(&self, gateway: SocketAddr) -> Page<'_> {
        let window = self.client.window().await.expect("a browser has a tab");
        Page::load(self, window, &format!("http://{gateway}/client.d.ts")).await
    }

    /// One more tab, on a page of this gateway.
    pub(super) async fn tab(&self, gateway: SocketAddr) -> Page<'_> {
        self.tab_at(&format!("http://{gateway}/client.d.ts")).await
    }

    /// One more tab, on this page.
    pub(super) async fn tab_at(&self, url: &str) -> Page<'_> {
        let window = self.client.new_window(true).await.expect("a tab opens").handle;
        Page::load(self, window, url).await
    }

    /// Sends a command of the `DevTools` protocol to the tab that is at work.
    pub(super) async fn devtools(&self, command: &str, parameters: Value) {
        let session = self.client.session_id().await.expect("the driver answers").expect("there is a session");
        let url = format!("{}/session/{session}/goog/cdp/execute", self.driver.url());
        let answer =
            post_json(&url, &json!({ "cmd": command, "params": parameters })).await.expect("the driver answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// `chromedriver`, on a port of its own choice.
struct Driver {
    process: Process,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command);
        let output = process.child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
        // Nobody reads the rest, but it must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { process, port: port.expect("chromedriver says where it listens") }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Driver {
    /// A driver that is asked to end takes its browsers with it; one that is killed leaves them.
    fn drop(&mut self) {
        self.process.signal("TERM");
        let ended = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_some());
        for _ in 0..100 {
            if ended(&mut self.process.child) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use pushgate_subscriber::get;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::stack::{PATIENCE, config_text, until};

/// The real binary, without an environment.
pub(crate) fn pushgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushgate"));
    command.env_clear().env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn output(arguments: &[&str]) -> Output {
    pushgate().args(arguments).output().expect("the binary runs")
}

/// The binary in a process of its own; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self { child: command.spawn().expect("the binary runs") }
    }

    /// A gateway.
    pub(crate) fn serve(config: &Path) -> Self {
        let mut command = pushgate();
        command.arg("serve").arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        Self::spawn(&mut command)
    }

    /// A gateway whose log, as JSON, is read.
    pub(crate) fn serve_logging(config: &Path, rust_log: &str) -> (Self, Log) {
        let mut command = pushgate();
        command.args(["serve", "--log-format", "json", "--config"]).arg(config).env("RUST_LOG", rust_log);
        let mut process = Self::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let output = process.child.stderr.take().expect("it is piped");
        let (sender, lines) = unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        (process, Log { lines, read: String::new() })
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("kill exists");
        assert!(status.success());
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is gone");
    }

    /// How it ended, once it has.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("an end", || {
            let ended = self.child.try_wait().expect("it is ours");
            async move { ended }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a gateway logs.
pub(crate) struct Log {
    lines: UnboundedReceiver<String>,
    /// All lines that were read.
    pub(crate) read: String,
}

impl Log {
    /// The next line with this sentence; others are passed over.
    pub(crate) async fn says(&mut self, sentence: &str) -> serde_json::Value {
        loop {
            let line = timeout(PATIENCE, self.lines.recv()).await;
            let line = line.unwrap_or_else(|_| panic!("waited in vain for {sentence:?} in {}", self.read));
            let line = line.unwrap_or_else(|| panic!("ended without {sentence:?}: {}", self.read));
            self.note(&line);
            let event: serde_json::Value = serde_json::from_str(&line).expect("each line is JSON");
            if event["message"].as_str().is_some_and(|message| message.contains(sentence)) {
                return event;
            }
        }
    }

    /// Everything, once the process has ended.
    pub(crate) async fn rest(&mut self) -> &str {
        while let Some(line) = timeout(PATIENCE, self.lines.recv()).await.expect("the process ends") {
            self.note(&line);
        }
        &self.read
    }

    fn note(&mut self, line: &str) {
        self.read.push_str(line);
        self.read.push('\n');
    }
}

/// Below the ports that the kernel gives to connections (Linux from 32768 on, others from 49152): of those any connection
/// of another test may take one while nobody listens there.
const PORTS: Range<u32> = 10_000..32_000;

/// Ports that are free now, for a process that must come back on the same ones.
pub(crate) fn free_addresses() -> [SocketAddr; 2] {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Another run of these tests begins elsewhere.
    let begin = std::process::id().wrapping_mul(101);
    let next = || begin.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
    let mut listeners = PORTS.filter_map(|_| TcpListener::bind(("127.0.0.1", (PORTS.start + next()) as u16)).ok());
    [(); 2].map(|()| listeners.next().expect("a free port").local_addr().expect("bound"))
}

/// The configuration of a gateway on these addresses, with further settings in TOML.
pub(crate) fn write_config(folder: &Path, service: &str, [public, admin]: [SocketAddr; 2], more: &str) -> PathBuf {
    let text = config_text(folder, service, more).replacen("127.0.0.1:0", &public.to_string(), 1).replacen(
        "127.0.0.1:0",
        &admin.to_string(),
        1,
    );
    let file = folder.join("gateway.toml");
    std::fs::write(&file, text).expect("the folder is writable");
    file
}

pub(crate) async fn ready(admin: SocketAddr) {
    until("a ready gateway", || async {
        let answer = get(&format!("http://{admin}/readyz")).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
}

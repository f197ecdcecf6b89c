use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};

use crate::{browser::driver::Browser, stack::until};

const SCRIPT: &str = include_str!("../../browser/page.js");

/// A tab with a page in it.
pub(super) struct Page<'a> {
    browser: &'a Browser,
    window: WindowHandle,
}

impl<'a> Page<'a> {
    pub(super) async fn load(browser: &'a Browser, window: WindowHandle, url: &str) -> Self {
        let page = Self { browser, window };
        page.front().await;
        browser.client.goto(url).await.expect("the page loads");
        page
    }

    /// Makes this tab the one at work.
    pub(super) async fn front(&self) {
        self.browser.client.switch_to_window(self.window.clone()).await.expect("the tab is there");
    }

    /// Runs a script in it; a promise is waited for.
    pub(super) async fn run(&self, script: &str, argument: Value) -> Value {
        self.front().await;
        self.browser.client.execute(script, vec![argument]).await.expect("the script runs")
    }

    /// Follows a stream: what `connect` takes, and what `tests/browser/page.js` adds.
    pub(super) async fn connect(&self, options: Value) {
        self.run(SCRIPT, options).await;
    }

    /// Follows tenant `a`, with further options.
    pub(super) async fn follow(&self, mut options: Value) {
        options["tenants"] = json!(["a"]);
        self.connect(options).await;
        self.hears("open").await;
    }

    /// All that it heard under this name, in order.
    pub(super) async fn heard(&self, name: &str) -> Vec<Value> {
        let script = "return stream.heard.filter(([name]) => name === arguments[0]).map(([, detail]) => detail)";
        let Value::Array(heard) = self.run(script, json!(name)).await else { panic!("no list") };
        heard
    }

    /// Waits for the first event of this name.
    pub(super) async fn hears(&self, name: &str) -> Value {
        until(name, || async { self.heard(name).await.into_iter().next() }).await
    }

    /// The ids of the pushes that it heard.
    pub(super) async fn ids(&self) -> Vec<String> {
        let script = "return stream.heard.filter(([name]) => name === 'push').map(([, push]) => push.id)";
        serde_json::from_value(self.run(script, Value::Null).await).expect("a list of texts")
    }

    /// Waits for so many pushes; all their ids.
    pub(super) async fn pushes(&self, count: usize) -> Vec<String> {
        let script = "return stream.heard.filter(([name]) => name === 'push').length";
        until(&format!("{count} pushes"), || async {
            let heard = self.run(script, Value::Null).await.as_u64().expect("a number");
            (heard >= count as u64).then_some(())
        })
        .await;
        self.ids().await
    }

    /// Waits until something holds in the page.
    pub(super) async fn comes_to(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, || async { (self.run(&script, Value::Null).await == true).then_some(()) }).await;
    }

    /// Closes the tab; another one has to be at work afterwards.
    pub(super) async fn close(self) {
        self.front().await;
        self.browser.client.close_window().await.expect("the tab closes");
    }

    /// Loads the page again.
    pub(super) async fn reload(&self) {
        self.front().await;
        self.browser.client.refresh().await.expect("the page loads");
    }

    /// Puts it to sleep, or wakes it, as a browser does with a tab that nobody looks at.
    pub(super) async fn lifecycle(&self, state: &str) {
        self.front().await;
        self.browser.devtools("Page.setWebLifecycleState", json!({ "state": state })).await;
    }
}

use std::process::Command;

use super::rig::{HOST, Rig};
use crate::{program::Program, stack::until};

/// Where it comes from: not the address of the proxies.
pub(super) const ADDRESS: &str = "127.0.0.2";

/// A request through the proxy, made by curl.
pub(super) struct Curl {
    program: Program,
}

impl Curl {
    /// A stream of tenant `a`, as an `EventSource` asks for it.
    pub(super) fn subscribe(rig: &Rig, options: &[&str], headers: &[&str]) -> Self {
        let headers = [&["Accept: text/event-stream"], headers].concat();
        Self::start(rig, &rig.path("/events/a"), options, &headers)
    }

    /// Comes back with a cursor until there is a stream, as an `EventSource` does.
    pub(super) async fn resume(rig: &Rig, cursor: &str) -> Self {
        let header = format!("Last-Event-ID: {cursor}");
        until("a stream", || async {
            let mut stream = Self::subscribe(rig, &[], &[&header]);
            until("a stream or its end", || {
                let settled = stream.is_open() || stream.ended();
                async move { settled.then_some(()) }
            })
            .await;
            assert_eq!(stream.status_line(), "HTTP/2 200", "an EventSource would have given up");
            stream.is_open().then_some(stream)
        })
        .await
    }

    /// Something that is no stream.
    pub(super) fn get(rig: &Rig, path: &str) -> Self {
        Self::start(rig, path, &[], &[])
    }

    fn start(rig: &Rig, path: &str, options: &[&str], headers: &[&str]) -> Self {
        let mut command = Command::new("curl");
        command.args(["--no-buffer", "--silent", "--include", "--ipv4", "--interface", ADDRESS]);
        command.args(["--connect-to", &format!("{HOST}:443:127.0.0.1:{}", rig.port())]);
        command.arg("--cacert").arg(rig.certificate()).args(options);
        for header in headers {
            command.args(["--header", header]);
        }
        Self { program: Program::start("curl", rig.folder(), command.arg(format!("https://{HOST}{path}"))) }
    }

    pub(super) fn status_line(&self) -> String {
        self.program.printed().first().map_or(String::new(), |line| line.trim_end().to_owned())
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.program.printed().iter().take_while(|line| !line.is_empty()).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }

    fn body(&self) -> Vec<String> {
        self.program.printed().into_iter().skip_while(|line| !line.is_empty()).skip(1).collect()
    }

    /// The body of a response that ends.
    pub(super) async fn whole(&mut self) -> Vec<String> {
        until("the end of a response", || {
            let ended = self.ended();
            async move { ended.then_some(()) }
        })
        .await;
        self.body()
    }

    pub(super) fn ended(&mut self) -> bool {
        self.program.ended().is_some()
    }

    fn is_open(&self) -> bool {
        self.body().iter().any(|line| line == "event: open")
    }

    pub(super) async fn opened(&self) {
        until("an open stream", || async { self.is_open().then_some(()) }).await;
    }

    /// Comments of an idle stream so far.
    pub(super) fn comments(&self) -> usize {
        self.body().iter().filter(|line| *line == ":").count()
    }

    /// The pushes so far: cursor and push id.
    pub(super) fn pushes(&self) -> Vec<(String, String)> {
        let body = self.body();
        let pairs = body.iter().zip(body.iter().skip(1));
        let push = |(id, data): (&String, &String)| {
            let cursor = id.strip_prefix("id: ")?;
            let push: serde_json::Value = serde_json::from_str(data.strip_prefix("data: ")?).ok()?;
            Some((cursor.to_owned(), push["id"].as_str()?.to_owned()))
        };
        pairs.filter_map(push).collect()
    }

    /// The id of the last event.
    pub(super) fn cursor(&self) -> String {
        let body = self.body();
        body.iter().rev().find_map(|line| line.strip_prefix("id: ")).expect("there is an event").to_owned()
    }

    /// Waits until it has so many.
    pub(super) async fn has_pushes(&self, count: usize) {
        until("pushes", || async { (self.pushes().len() >= count).then_some(()) }).await;
    }
}

//! `pushgate tail`: the real binary on a real stream.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, SystemTime},
};

use pushgate_http::{Claims, Scope, SigningKey, mint};
use pushgate_model::Timestamp;
use pushgate_subscriber::{HttpClient, HttpConfig};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::{
    process::{Process, free_addresses, output, pushgate, ready, write_config},
    reload::Bed,
    stack::{PATIENCE, Service, Stack, run},
};

/// A tail whose two outputs are read line by line.
struct Tail {
    process: Process,
    pushes: UnboundedReceiver<String>,
    statuses: UnboundedReceiver<String>,
    /// All that it said on standard error so far.
    said: String,
}

impl Tail {
    fn spawn(command: &mut Command) -> Self {
        let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let (pushes, statuses) = (lines(stdout(&mut process.child)), lines(process.child.stderr.take().unwrap()));
        Self { process, pushes, statuses, said: String::new() }
    }

    /// On the gateway of this stack.
    fn of(stack: &Stack, arguments: &[&str]) -> Self {
        Self::spawn(&mut at(stack, arguments))
    }

    /// The next line of standard output.
    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.pushes.recv()).await;
        line.unwrap_or_else(|_| panic!("no line; said: {}", self.said)).expect("it goes on")
    }

    async fn json(&mut self) -> Value {
        serde_json::from_str(&self.line().await).expect("each line is JSON")
    }

    /// The next line of standard error with this text.
    async fn says(&mut self, text: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.statuses.recv()).await;
            let line = line.unwrap_or_else(|_| panic!("waited in vain for {text:?} in {}", self.said));
            let line = line.unwrap_or_else(|| panic!("ended without {text:?}: {}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Its exit status, and the rest of both outputs.
    async fn ended(mut self) -> (Option<i32>, String, String) {
        let status = self.process.ended().await;
        let mut printed = String::new();
        while let Some(line) = self.pushes.recv().await {
            printed += &(line + "\n");
        }
        while let Some(line) = self.statuses.recv().await {
            self.said += &(line + "\n");
        }
        (status.code(), printed, self.said)
    }
}

fn at(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = pushgate();
    command.args(["tail", "--url", &format!("http://{}", stack.gateway.public)]).args(arguments);
    command
}

fn stdout(child: &mut Child) -> ChildStdout {
    child.stdout.take().expect("it is piped")
}

fn lines(output: impl Read + Send + 'static) -> UnboundedReceiver<String> {
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The test may be over.
            let _ = sender.send(line);
        }
    });
    lines
}

#[test]
fn json_lines_are_the_data_and_the_cursor() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events?tenant=a&tenant=b");
        stream.opened().await;
        let mut tail = Tail::of(&stack, &["a", "b", "--json"]);
        tail.says("connected").await;
        for (tenant, title) in [("a", "quote \" and \\ and ä"), ("b", "line\nbreak\u{0}")] {
            stack.service.push(tenant, title);
            let event = loop {
                let event = stream.event().await;
                if event.event == "message" {
                    break event;
                }
            };
            let data = event.data.strip_suffix('}').unwrap();
            assert_eq!(tail.line().await, format!("{data},\"cursor\":\"{}\"}}", event.id));
        }
        tail.process.signal("INT");
        let (status, printed, _) = tail.ended().await;
        assert_eq!((status, printed.as_str()), (Some(0), ""));
        stack.stop().await;
    });
}

#[test]
fn people_read_blocks_that_steer_no_terminal() {
    run(async {
        let stack = Stack::start().await;
        stack.service.push("a", "\u{1b}]0;owned\u{7}\u{202e}");
        let mut tail = Tail::of(&stack, &["a", "--since", "earliest"]);
        let (head, body, cursor) = (tail.line().await, tail.line().await, tail.line().await);
        assert!(head.ends_with("Z  \\u{1b}]0;owned\\u{7}\\u{202e}"), "{head}");
        assert_eq!(body, "    body");
        assert!(cursor.trim_start().split_once('-').is_some_and(|(_, seq)| seq.parse::<u64>().is_ok()), "{cursor}");
        tail.says("connected").await;
        tail.process.signal("TERM");
        let (status, printed, said) = tail.ended().await;
        assert_eq!(status, Some(0));
        assert!(!said.contains('\u{1b}') && !printed.contains('\u{1b}'), "colours are for terminals");
        stack.stop().await;
    });
}

#[test]
fn a_stream_goes_on_over_kill_9_without_loss_or_duplicate() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        // Before there is anything to connect to.
        let mut tail =
            Tail::spawn(pushgate().args(["tail", "b", "a", "--since", "earliest", "--json", "--config"]).arg(&config));
        tail.says("reconnecting in").await;
        let mut sent = Vec::new();
        let mut seen = Vec::new();
        for round in 0..2 {
            let mut gateway = Process::serve(&config);
            ready(addresses[1]).await;
            tail.says("connected").await;
            let body = json!({"title": round.to_string(), "body": "b", "count": 300, "per_second": 3000});
            let ids = service.command("accounts/a/pushes", &body).await["ids"].clone();
            sent.extend(ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
            while seen.len() < sent.len() - 100 {
                seen.push(tail.json().await);
            }
            gateway.kill();
            tail.says("reconnecting in").await;
        }
        let _gateway = Process::serve(&config);
        while seen.len() < sent.len() {
            seen.push(tail.json().await);
        }
        let seqs: Vec<_> = seen.iter().map(|push| push["seq"].as_u64().unwrap()).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "no duplicate, no reordering");
        let mut ids: Vec<_> = seen.iter().map(|push| push["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        sent.sort();
        assert_eq!(ids, sent);
        service.stop().await;
    });
}

#[test]
fn a_tail_begins_where_it_is_asked_to() {
    run(async {
        let stack = Stack::start().await;
        for title in ["one", "two", "three"] {
            stack.service.push("a", title);
        }
        let mut all = Tail::of(&stack, &["a", "--since", "earliest", "--json"]);
        let pushes = [all.json().await, all.json().await, all.json().await];
        assert_eq!(pushes.each_ref().map(|push| push["title"].as_str().unwrap()), ["one", "two", "three"]);
        let cursor = pushes[1]["cursor"].as_str().unwrap();
        let mut rest = Tail::of(&stack, &["a", "--since", cursor, "--json"]);
        assert_eq!(rest.json().await, pushes[2]);
        let mut foreign = Tail::of(&stack, &["a", "--since", "zzz-5", "--json"]);
        foreign.says("gap after zzz-5: that position is of another life of the log").await;
        assert_eq!(foreign.json().await, pushes[0]);
        stack.stop().await;
    });
}

#[test]
fn what_was_printed_is_confirmed() {
    run(async {
        let stack = Stack::with("upstream.ack = \"confirmed\"").await;
        let mut tail = Tail::of(&stack, &["a", "--json", "--confirm"]);
        tail.says("connected").await;
        let id = stack.service.push("a", "t");
        assert_eq!(tail.json().await["id"], *id);
        stack.service.answered(&id, "ack").await;
        // A whole replay is answered already, which is said once.
        let mut again = Tail::of(&stack, &["a", "--json", "--confirm", "--since", "earliest"]);
        again.json().await;
        again.says("answered already").await;
        stack.stop().await;
    });
}

#[test]
fn a_stop_waits_for_words_under_way() {
    run(async {
        let stack = Stack::with("upstream.ack = \"confirmed\"").await;
        let ids: Vec<_> = (0..50).map(|_| stack.service.push("a", "t")).collect();
        let mut tail = Tail::of(&stack, &["a", "--json", "--confirm", "--since", "earliest"]);
        for _ in &ids {
            tail.line().await;
        }
        tail.process.signal("TERM");
        assert_eq!(tail.ended().await.0, Some(0));
        for id in &ids {
            stack.service.answered(id, "ack").await;
        }
        stack.stop().await;
    });
}

#[test]
fn a_tail_ends_when_nobody_reads_it() {
    run(async {
        let stack = Stack::start().await;
        stack.service.push("a", "only one");
        let mut command = at(&stack, &["a", "--since", "earliest", "--json"]);
        let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut reader = BufReader::new(stdout(&mut process.child));
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("only one"));
        drop(reader);
        // As in `| head -1`: no further push is needed to notice it.
        assert_eq!(process.ended().await.code(), Some(0));
        stack.stop().await;
    });
}

#[test]
fn a_reader_that_rests_holds_up_no_stop() {
    run(async {
        let stack = Stack::start().await;
        let body = json!({"title": "t", "body": "b".repeat(100_000), "count": 20});
        stack.service.command("accounts/a/pushes", &body).await;
        let mut command = at(&stack, &["a", "--since", "earliest", "--json"]);
        let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut reader = stdout(&mut process.child);
        // It has begun, and the pipe holds less than what follows.
        reader.read_exact(&mut [0]).unwrap();
        process.signal("TERM");
        assert_eq!(process.ended().await.code(), Some(0));
        stack.stop().await;
    });
}

#[test]
fn a_server_that_refuses_for_good_is_exit_status_1() {
    run(async {
        let stack = Stack::start().await;
        let (status, printed, said) = Tail::of(&stack, &["nobody"]).ended().await;
        assert_eq!((status, printed.as_str()), (Some(1), ""));
        assert!(said.contains("404") && said.contains("there is no tenant \"nobody\""), "{said}");
        // A tenant of the admin API that is removed while it is followed.
        let client = HttpClient::new(HttpConfig::default());
        let url = format!("http://{}/api/tenants/d", stack.gateway.admin);
        assert_eq!(client.put_json(&url, &json!({})).await.unwrap().status, 201);
        let mut tail = Tail::of(&stack, &["d"]);
        tail.says("connected").await;
        assert_eq!(client.delete(&url).await.unwrap().status, 204);
        tail.says("d: removed").await;
        let (status, _, said) = tail.ended().await;
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("pushgate: removed"), "{said}");
        stack.stop().await;
    });
}

#[test]
fn wrong_usage_of_a_tail_is_exit_status_2_and_says_what_is_allowed() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (arguments, allowed) in [
        (&["tail"][..], "TENANT"),
        (&["tail", "No"], "TENANT"),
        (&["tail", "a", "--since", "yesterday"], "earliest"),
        (&["tail", "a", "--url", "ftp://a"], "http or https"),
        (&["tail", "a", "--token-file", empty], "is empty"),
        (&["tail", "a", "--config", "/nowhere.toml"], "/nowhere.toml"),
        (&["tail", "a", "--url", "https://a", "--ca-file", empty], "no certificate"),
    ] {
        let output = output(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(allowed), "{arguments:?}: {said}");
    }
}

#[test]
fn a_token_is_sent_and_never_shown() {
    run(async {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/base", server.local_addr().unwrap());
        let answering = thread::spawn(move || {
            let (mut socket, _) = server.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let body = r#"{"title":"Invalid token","detail":"the token expired"}"#;
            write!(socket, "HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            head
        });
        let mut command = pushgate();
        command.args(["tail", "a", "--url", &url]).env("PUSHGATE_TOKEN", "s3cr3t").env("RUST_LOG", "trace");
        let (status, _, said) = Tail::spawn(&mut command).ended().await;
        let head = answering.join().unwrap();
        assert!(head.starts_with("GET /base/events/a HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("\r\nauthorization: bearer s3cr3t\r\n"), "{head}");
        assert_eq!(status, Some(1));
        assert!(said.contains("refused with status 401: the token expired") && !said.contains("s3cr3t"), "{said}");
    });
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn jwt() -> String {
    format!("auth = {{ mode = \"jwt\", algorithm = \"HS256\", key = \"{SECRET}\", audience = \"streams\" }}\n")
}

/// A token for tenant `a` that counts for so many seconds, the present one included.
fn token(seconds: u64) -> String {
    let now = Timestamp::from(SystemTime::now());
    let claims = Claims {
        tenants: Scope::Some(vec!["a".parse().unwrap()]),
        presence: false,
        issuer: None,
        audience: Some("streams".to_owned()),
        subject: None,
        issued_at: now,
        expires_at: now.plus(Duration::from_secs(seconds)),
        key_id: None,
    };
    mint(&SigningKey::new("HS256", SECRET).unwrap(), &claims)
}

#[test]
fn the_own_gateway_is_followed_by_its_own_secret_and_certificate() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        // A name that nobody asks for here, and no authority.
        let made = rcgen::generate_simple_self_signed(["push.example.com".to_owned()]).unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let more =
            format!("server.base_path = \"/push\"\nserver.tls = {{ cert = {cert:?}, key = {key:?} }}\n{}", jwt());
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, &more);
        let _gateway = Process::serve(&config);
        ready(addresses[1]).await;
        let mut tail = Tail::spawn(pushgate().args(["tail", "a", "b", "--json", "--config"]).arg(&config));
        tail.says("connected").await;
        let id = service.push("b", "t");
        assert_eq!(tail.json().await["id"], *id);
        // Whoever asks at an address of his own holds the certificate to the name.
        let url = format!("https://{}/push", addresses[0]);
        let mut stranger = Tail::spawn(pushgate().args(["tail", "a", "--url", &url, "--ca-file"]).arg(&cert));
        stranger.says("reconnecting in").await;
        service.stop().await;
    });
}

#[test]
fn a_token_that_expires_is_exchanged_or_is_the_end() {
    run(async {
        let stack = Stack::with(&jwt()).await;
        let (status, _, said) = Tail::of(&stack, &["a"]).ended().await;
        assert_eq!(status, Some(1));
        assert!(said.contains("refused with status 401"), "{said}");
        let folder = tempfile::tempdir().unwrap();
        let (exchanged, kept) = (folder.path().join("exchanged"), folder.path().join("kept"));
        for file in [&exchanged, &kept] {
            std::fs::write(file, token(3)).unwrap();
        }
        let mut lucky = Tail::of(&stack, &["a", "--json", "--token-file", exchanged.to_str().unwrap()]);
        let unlucky = Tail::of(&stack, &["a", "--json", "--token-file", kept.to_str().unwrap()]);
        lucky.says("connected").await;
        std::fs::write(&exchanged, token(60)).unwrap();
        lucky.says("the access token expired").await;
        lucky.says("connected").await;
        let id = stack.service.push("a", "t");
        assert_eq!(lucky.json().await["id"], *id);
        let (status, _, said) = unlucky.ended().await;
        assert_eq!(status, Some(1));
        assert!(said.contains("pushgate: the access token expired"), "{said}");
        stack.stop().await;
    });
}

#[test]
fn a_token_that_still_counts_by_new_rules_is_no_end() {
    run(async {
        let rules = format!("auth = {{ mode = \"jwt\", algorithm = \"HS256\", key = \"{SECRET}\" }}\n");
        let mut bed = Bed::start(&[], |_| rules.clone()).await;
        let mut command = pushgate();
        command.args(["tail", "a", "--json", "--url", &format!("http://{}", bed.public())]);
        let mut tail = Tail::spawn(command.env("PUSHGATE_TOKEN", token(60)));
        tail.says("connected").await;
        // An audience is asked for from now on, which the token names.
        bed.replace(&rules, &jwt());
        bed.hang_up().await;
        tail.says("revoked").await;
        tail.says("connected").await;
        bed.stop().await;
    });
}

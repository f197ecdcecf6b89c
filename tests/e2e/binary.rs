//! The real binary: its exit statuses, its signals, and kill -9.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use pushgate_subscriber::{EventStream, StreamConfig, get};
use serde_json::json;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    process::{Process, free_addresses, output, pushgate, ready, write_config},
    stack::{Service, json, run, until},
    stream::TestStream,
};

#[test]
fn nothing_acked_is_lost_by_kill_9() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let mut stream = {
            let stream = StreamConfig::new(format!("http://{}/events?tenant=a&tenant=b", addresses[0]));
            TestStream::new(EventStream::connect(stream).unwrap())
        };
        let mut process = Process::serve(&config);
        ready(addresses[1]).await;
        stream.opened().await;
        let mut sent = BTreeSet::new();
        for round in 0..3 {
            for tenant in ["a", "b"] {
                let body = json!({"title": round.to_string(), "body": "b", "count": 400, "per_second": 2000});
                let ids = service.command(&format!("accounts/{tenant}/pushes"), &body).await["ids"].clone();
                sent.extend(ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
            }
            stream.pushes(50).await;
            process.kill();
            process = Process::serve(&config);
            ready(addresses[1]).await;
        }
        // Whatever was sent arrives, once and in order, on one subscriber that resumes by its cursor.
        let mut probe = {
            let url = format!("http://{}/events?tenant=a&tenant=b&since=earliest", addresses[0]);
            TestStream::new(EventStream::connect(StreamConfig::new(url)).unwrap())
        };
        let all = probe.pushes(sent.len()).await;
        assert!(all.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        assert_eq!(all.iter().map(|push| push.id.clone()).collect::<BTreeSet<_>>(), sent);
        let last = all.last().unwrap().seq;
        let mut seen: Vec<_> = Vec::new();
        while seen.last().is_none_or(|push: &pushgate_subscriber::PushEvent| push.seq < last) {
            seen.push(stream.push().await);
        }
        let resumed: Vec<_> = all[all.len() - seen.len()..].iter().map(|push| &push.id).collect();
        assert!(seen.iter().map(|push| &push.id).eq(resumed), "no gap, no duplicate, no reordering");
        service.stop().await;
    });
}

#[test]
fn sigterm_drains_and_exits_0() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let mut process = Process::serve(&config);
        ready(addresses[1]).await;
        let health = pushgate().arg("health").arg("--config").arg(&config).status().unwrap();
        assert!(health.success());
        // A hangup, of a terminal or by habit, is no reason to end.
        process.signal("HUP");
        process.signal("TERM");
        let status = process.ended().await;
        assert_eq!(status.code(), Some(0));
        let health = pushgate().arg("health").arg("--config").arg(&config).output().unwrap();
        assert_eq!(health.status.code(), Some(1));
        let pushes = json(&get(&format!("http://{}/control/stats", service.handle.addr())).await.unwrap());
        assert!(pushes.is_object());
        service.stop().await;
    });
}

#[test]
fn a_subscriber_that_does_not_read_and_a_silent_service_hold_up_no_stop() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let mut process = Process::serve(&config);
        ready(addresses[1]).await;
        let mut stalled = std::net::TcpStream::connect(addresses[0]).unwrap();
        stalled.write_all(b"GET /events/a?since=earliest HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let body = json!({"title": "t", "body": "b".repeat(100_000), "count": 100});
        service.command("accounts/a/pushes", &body).await;
        until("a hundred stored pushes", || async {
            let tenant = json(&get(&format!("http://{}/api/tenants/a", addresses[1])).await.ok()?);
            (tenant["pushes"] == 100).then_some(())
        })
        .await;
        // Nor does a service that answers no Close.
        service.faults("b", &json!({"silent": true})).await;
        let asked = Instant::now();
        process.signal("TERM");
        let status = process.ended().await;
        assert_eq!(status.code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(10), "the promise of a drain: {:?}", asked.elapsed());
        drop(stalled);
        service.stop().await;
    });
}

#[test]
fn wrong_usage_and_wrong_configuration_exit_2_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "server.bnd = \"x\"\nupstream.heartbeat.every = \"20\"\n").unwrap();
    let file = file.to_str().unwrap();
    for command in ["check", "serve"] {
        let output = output(&[command, "--config", file]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        for word in ["wrong.toml", "server.bnd", "upstream.heartbeat.every"] {
            assert!(text.contains(word), "{word} is missing in: {text}");
        }
    }
    assert_eq!(output(&["fly"]).status.code(), Some(2));
}

#[test]
fn an_address_in_use_exits_1_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [taken.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 0))];
    let config = write_config(folder.path(), "ws://127.0.0.1:1/", addresses, "");
    let output = output(&["serve", "--config", config.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&addresses[0].to_string()), "{text}");
}

#[test]
fn check_prints_a_configuration_that_check_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let first = output(&["check"]);
    assert_eq!(first.status.code(), Some(0));
    let file = folder.path().join("effective.toml");
    std::fs::write(&file, &first.stdout).unwrap();
    let second = output(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(0), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(first.stdout, second.stdout);
}

#[test]
fn the_demo_says_what_to_open_and_leaves_nothing_behind() {
    run(async {
        // A handler here is the default in the demo, even where the tests themselves run under nohup.
        let _hangup = signal(SignalKind::hangup()).unwrap();
        for signal in ["INT", "HUP"] {
            let (folder, mut process, url) = demo();
            let mut stream = TestStream::new(EventStream::connect(StreamConfig::new(&url)).unwrap());
            assert!(url.ends_with(&stream.push().await.tenant));
            process.signal(signal);
            let status = process.ended().await;
            assert_eq!(status.code(), Some(0), "{signal}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{signal}: TMPDIR is empty");
        }
    });
}

/// A demo, its folder for temporary files, and the URL of the stream that it names.
fn demo() -> (TempDir, Process, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = pushgate();
    command.arg("demo").env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn(&mut command);
    let lines = BufReader::new(process.child.stdout.take().unwrap()).lines();
    let curl = lines.map(|line| line.unwrap()).find(|line| line.contains("curl -N")).expect("a curl line");
    let url = curl.split_whitespace().find(|word| word.starts_with("http://")).expect("its URL").to_owned();
    (folder, process, url)
}

#[test]
fn a_second_process_on_the_same_journal_exits_1_and_leaves_the_first_alone() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let _process = Process::serve(&config);
        ready(addresses[1]).await;
        let connected = until("connected tenants", || async {
            let tenants = json(&get(&format!("http://{}/api/tenants?state=connected", addresses[1])).await.ok()?);
            (tenants["tenants"].as_array()?.len() == 3).then_some(tenants)
        })
        .await;
        let second = output(&["serve", "--config", config.to_str().unwrap()]);
        let text = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(1), "{text}");
        assert!(text.contains("in use by another process"), "{text}");
        let after = json(&get(&format!("http://{}/api/tenants", addresses[1])).await.unwrap());
        assert_eq!(after, connected);
        for tenant in ["a", "b", "c"] {
            assert_eq!(service.control(&format!("accounts/{tenant}")).await["connects"], 1, "it never dialled");
        }
        service.stop().await;
    });
}

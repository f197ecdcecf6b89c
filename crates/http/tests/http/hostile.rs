//! Clients that want to cost more than they are worth.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    client::{Stream, get, raw},
    gateway::Gateway,
};

const DEADLINE: Duration = Duration::from_secs(20);

fn connect(addr: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

#[test]
fn a_long_target_and_large_headers_are_refused_on_both_listeners() {
    let gateway = Gateway::start_with(|config| {
        config.policy.limits.url = 100;
        config.policy.limits.headers = 300;
    });
    let path = |length: usize| format!("/tenants/acme/pushes?{}", "x".repeat(length - "/tenants/acme/pushes?".len()));
    for addr in [gateway.public, gateway.admin] {
        let long = get(addr, &path(101), &["Host: localhost"]);
        assert_eq!((long.status, long.problem().as_str()), (414, "url-too-long"));
        assert!(long.body.contains("100 bytes (server.limits.url)"), "{long:?}");
        let large = format!("X-Large: {}", "x".repeat(300));
        let large = get(addr, "/tenants/acme/pushes", &["Host: localhost", &large]);
        assert_eq!((large.status, large.problem().as_str()), (431, "headers-too-large"));
        assert!(large.body.contains("300 bytes (server.limits.headers)"), "{large:?}");
    }
    assert_eq!(get(gateway.public, &path(100), &[]).status, 200);
    assert_eq!(get(gateway.public, &format!("http://localhost{}", path(100)), &[]).status, 200, "the host counts not");
    assert_eq!(get(gateway.public, "/tenants/acme/pushes", &[&format!("X-Large: {}", "x".repeat(200))]).status, 200);
}

#[test]
fn what_is_no_http_is_refused_and_closed() {
    let gateway = Gateway::start();
    let many = "X: y\r\n".repeat(200);
    let table = [
        ("no request at all\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(200 << 10)), 431),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n".to_owned(), 400),
    ];
    for addr in [gateway.public, gateway.admin] {
        for (bytes, status) in &table {
            // The answer may be lost with what was sent and not read any more; the connection ends in any case.
            let answer = raw_lossy(addr, bytes.as_bytes());
            assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes:.60?}: {answer}");
        }
    }
    assert_eq!(get(gateway.public, "/tenants/acme/pushes", &[]).status, 200);
}

/// As [`raw`], also when the server closes while there is still more to send.
fn raw_lossy(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = connect(addr);
    let _ = socket.write_all(bytes);
    let mut read = Vec::new();
    let _ = socket.read_to_end(&mut read);
    String::from_utf8(read).unwrap()
}

#[test]
fn half_a_request_costs_nobody_else_anything() {
    let gateway = Gateway::start_with(|config| config.public.head_timeout = Duration::from_secs(1));
    let half: Vec<_> = (0..50)
        .map(|_| {
            let mut socket = connect(gateway.public);
            socket.write_all(b"GET /events/acme HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
            socket
        })
        .collect();
    let (mut stream, _) = Stream::events(gateway.public, "/events/acme", &[]);
    stream.until("event: open");
    gateway.commit("acme", "p-1", None);
    stream.until("p-1");
    for mut socket in half {
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("the server ends the connection");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    gateway.commit("acme", "p-2", None);
    stream.until("p-2");
}

#[test]
fn a_second_head_that_never_ends_is_given_up() {
    let gateway = Gateway::start_with(|config| config.public.head_timeout = Duration::from_secs(1));
    for addr in [gateway.public, gateway.admin] {
        let mut socket = connect(addr);
        socket.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut first = [0; 12];
        socket.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 404");
        let mut drip = socket.try_clone().unwrap();
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _ = drip.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
                while !ended.load(Ordering::Relaxed) && drip.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
            });
            let read = socket.read_to_end(&mut Vec::new());
            ended.store(true, Ordering::Relaxed);
            match read {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
            }
        });
    }
}

#[test]
fn a_drain_tells_each_connection_to_end() {
    let gateway = Gateway::start();
    gateway.lifecycle.set_draining();
    let answer = raw(gateway.public, b"GET /tenants/acme/pushes HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.to_ascii_lowercase().contains("connection: close"),
        "{answer}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_listener_resets_nobody() {
    let mut gateway = Gateway::start();
    let (mut stream, _) = Stream::events(gateway.public, "/events/acme", &[]);
    stream.until("event: open");
    let mut early = connect(gateway.public);
    let (public, ended) = (gateway.public, AtomicBool::new(false));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !ended.load(Ordering::Relaxed) {
                        served += usize::from(call(public));
                    }
                    served
                })
            })
            .collect();
        // Some are served before, and some try after.
        for n in 0.. {
            if get(gateway.admin, "/metrics", &[]).body.contains("status=\"404\"} 1") && n > 3 {
                break;
            }
        }
        gateway.close_public();
        assert!(!call(public), "nobody answers any more");
        ended.store(true, Ordering::Relaxed);
        assert!(callers.into_iter().map(|caller| caller.join().unwrap()).sum::<usize>() > 0);
    });
    early.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "who came before is served: {answer}");
    gateway.commit("acme", "p-1", None);
    stream.until("p-1");
    gateway.stop();
    assert!(matches!(TcpStream::connect(public), Err(error) if error.kind() == ErrorKind::ConnectionRefused));
}

/// One request on a connection of its own: whether it was answered. Nothing else may happen than that nobody is there.
#[cfg(target_os = "linux")]
fn call(addr: SocketAddr) -> bool {
    match TcpStream::connect_timeout(&addr, Duration::from_millis(300)) {
        Ok(mut socket) => {
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).expect("a connection that was taken is served");
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
            true
        }
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::ConnectionRefused), "{error}");
            false
        }
    }
}

#[test]
fn connections_without_a_request_do_not_hold_up_a_stop() {
    let mut gateway = Gateway::start();
    let mut used = connect(gateway.public);
    used.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    used.read_exact(&mut [0; 12]).unwrap();
    let mut fresh = connect(gateway.public);
    gateway.stop();
    for socket in [&mut used, &mut fresh] {
        socket.read_to_end(&mut Vec::new()).expect("an end, and no reset");
    }
}

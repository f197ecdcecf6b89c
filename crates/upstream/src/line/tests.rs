//! What a line does at certain times, on paused time; the service is a socket on loopback.

use actix::System;
use actix_http::ws::hash_key;
use prometheus_client::metrics::gauge::Gauge;
use pushgate_fanout::{Fanout, FanoutConfig, NoDeliverySink};
use pushgate_journal::testing::MemoryJournal;
use pushgate_model::{Push, TenantId};
use pushgate_protocol::{encode_answer, encode_push};
use pushgate_session::{AnswerConfig, BackoffConfig, HeartbeatConfig, InFlightConfig};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, pause, sleep, timeout},
};

use super::*;
use crate::{ConnectConfig, Directory, Source, TenantSnapshot, UpstreamMetrics, dial::DiallerConfig, tls};

const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;
const ROOM: usize = 1000;

/// One line, of acme, and its service.
struct Rig {
    service: TcpListener,
    desired: watch::Sender<Desired>,
    directory: Arc<Directory>,
    budget: Arc<Budget>,
    journal: Arc<MemoryJournal>,
}

fn session() -> SessionConfig {
    SessionConfig {
        max_message: 1 << 20,
        heartbeat: HeartbeatConfig { every: Duration::from_secs(30), dead_after: Duration::from_secs(90) },
        backoff: BackoffConfig {
            initial: Duration::from_millis(10),
            max: Duration::from_millis(10),
            healthy_after: Duration::from_secs(60),
        },
        in_flight: InFlightConfig { pushes: 64, bytes: 1 << 20 },
        answers: AnswerConfig::default(),
    }
}

impl Rig {
    async fn start() -> Self {
        let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // The less the kernel holds, the sooner a service that does not read is noticed.
        SockRef::from(&service).set_recv_buffer_size(4096).unwrap();
        let config = TenantConfig::new("acme".parse().unwrap(), format!("ws://{}/", service.local_addr().unwrap()));
        let (inlet, inbox) = Fanout::channel(16);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal.clone(), inbox, Arc::new(NoDeliverySink));
        let (directory, life) = (Arc::<Directory>::default(), Life(1));
        directory.begin(life, TenantSnapshot::new(config.id.clone(), Source::File));
        let (desired, budget) = (watch::Sender::new(Desired::new(config, false)), Budget::new(ROOM, Gauge::default()));
        let connect = ConnectConfig { timeout: Duration::from_secs(5), concurrent: 1, per_second: 100 };
        let dialler = DiallerConfig {
            timeout: connect.timeout,
            dead_after: session().heartbeat.dead_after,
            max_message: session().max_message,
            tls: tls::client_config(None).unwrap(),
        };
        let spec = LineSpec {
            desired: desired.subscribe(),
            life,
            session: session(),
            journal: journal.clone(),
            report: ReportSpec { directory: Arc::clone(&directory), fanout, metrics: UpstreamMetrics::default() },
            gates: Arc::new(Gates::new(connect)),
            budget: Arc::clone(&budget),
            beginnings: Budget::new(1 << 20, prometheus_client::metrics::gauge::Gauge::default()),
            words: Words::default(),
            dialler: Box::new(move |tenant| Dialler::for_tenant(&dialler, tenant)),
        };
        actix_rt::spawn(Line::new(spec).run());
        Self { service, desired, directory, budget, journal }
    }

    /// The next socket, upgraded.
    async fn accept(&self) -> TcpStream {
        let (mut stream, _) = self.service.accept().await.unwrap();
        // Paused time is over before the kernel has waited for more to send.
        stream.set_nodelay(true).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        let accept = String::from_utf8(hash_key(key.as_bytes()).to_vec()).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    }

    /// Waits until the line has shown this reason.
    async fn went_through(&self, reason: &str) {
        let acme: TenantId = "acme".parse().unwrap();
        let went =
            || self.directory.transitions(&acme).unwrap().iter().any(|one| one.reason.as_deref() == Some(reason));
        while !went() {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The first byte of the next frame that the line writes, and its payload, still masked.
async fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let len = stream.read_u8().await.ok()? & 0x7f;
    let mut rest = vec![0; usize::from(len) + 4];
    stream.read_exact(&mut rest).await.ok()?;
    Some((first, rest))
}

async fn expect(stream: &mut TcpStream, kind: u8) {
    assert_eq!(read_frame(stream).await.expect("the line is there").0, kind);
}

fn run(test: impl Future<Output = ()>) {
    System::new().block_on(test);
}

fn near(begun: Instant, expected: Duration) {
    assert!(begun.elapsed().abs_diff(expected) < Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[test]
fn a_service_that_reads_no_answers_is_read_no_further_and_dropped() {
    run(async {
        let rig = Rig::start().await;
        let mut peer = rig.accept().await;
        let pings = [&[PING, 125][..], &[0; 125]].concat().repeat(1000);
        let mut sent = 0;
        while let Ok(written) = timeout(Duration::from_millis(200), peer.write(&pings)).await {
            sent += written.unwrap();
            assert!(sent < 64 << 20, "the line reads on though it can't write");
        }
        pause();
        let begun = Instant::now();
        rig.went_through("write_timeout").await;
        assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
        rig.accept().await;
    });
}

#[test]
fn a_service_that_ignores_our_close_is_dropped_after_a_second() {
    run(async {
        let rig = Rig::start().await;
        let mut peer = rig.accept().await;
        expect(&mut peer, PING).await;
        peer.write_all(&[PONG, 0]).await.unwrap();
        pause();
        rig.desired.send_modify(|desired| desired.reconnects += 1);
        expect(&mut peer, CLOSE).await;
        let begun = Instant::now();
        // Whatever else it says.
        peer.write_all(&[PING, 0].repeat(10_000)).await.unwrap();
        assert_eq!(read_frame(&mut peer).await, None);
        near(begun, Duration::from_secs(1));
        rig.accept().await;
    });
}

#[test]
fn reading_goes_on_after_a_third_of_the_heartbeat_without_room() {
    run(async {
        let rig = Rig::start().await;
        let mut peer = rig.accept().await;
        pause();
        // The second ping: the third is too far away to wake the line by chance.
        expect(&mut peer, PING).await;
        expect(&mut peer, PING).await;
        let mut others = Share::new(Arc::clone(&rig.budget));
        others.take(ROOM);
        let begun = Instant::now();
        // Shows the line that there is no room, and asks nothing of it: what wakes it next is the end of its rest.
        peer.write_all(&[PONG, 0]).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        peer.write_all(&[PING, 0]).await.unwrap();
        expect(&mut peer, PONG).await;
        near(begun, Duration::from_secs(10));
        others.give(ROOM);
        let begun = Instant::now();
        peer.write_all(&[PING, 0]).await.unwrap();
        expect(&mut peer, PONG).await;
        near(begun, Duration::ZERO);
    });
}

#[test]
fn a_line_that_nobody_can_tell_anything_ends_in_order() {
    run(async {
        let mut rig = Rig::start().await;
        let mut peer = rig.accept().await;
        expect(&mut peer, PING).await;
        let other = watch::Sender::new(rig.desired.borrow().clone());
        drop(std::mem::replace(&mut rig.desired, other));
        expect(&mut peer, CLOSE).await;
        peer.write_all(&[CLOSE, 2, 3, 0xe9]).await.unwrap();
        assert_eq!(read_frame(&mut peer).await, None);
    });
}

#[test]
fn answers_of_one_commit_leave_in_one_write() {
    run(async {
        let rig = Rig::start().await;
        let mut peer = rig.accept().await;
        expect(&mut peer, PING).await;
        rig.journal.hold();
        let mut expected = 0;
        for n in 10..60 {
            let (id, text) = (PushId::from(n.to_string().as_str()), String::new());
            // Each header is two bytes, and ours is followed by a mask.
            expected += 2 + 4 + encode_answer(&id, Answer::Ack).len();
            let push = encode_push(&Push { id, created_at: text.clone(), title: text.clone(), body: text });
            peer.write_all(&[&[0x82, push.len() as u8], &push[..]].concat()).await.unwrap();
        }
        while rig.journal.held() < 50 {
            sleep(Duration::from_millis(1)).await;
        }
        rig.journal.release();
        assert_eq!(peer.read(&mut [0; 8192]).await.unwrap(), expected);
    });
}

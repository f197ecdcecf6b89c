//! What a push costs on its way to subscribers beside the socket: its frame, once for all of them, and what each takes
//! from the tail, alone or joined.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use pushgate_fanout::testing::{FrameEncoder, TenantTail};
use pushgate_model::{Push, Seq, StoredPush, Timestamp};

/// Most bytes of a piece: more than any of these joins.
const LIMIT: usize = 256 << 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode(&mut criterion);
    take(&mut criterion);
    criterion.final_summary();
}

fn encode(criterion: &mut Criterion) {
    let encoder = FrameEncoder::new("5f3a9c01".parse().expect("eight characters are an epoch"));
    let texts =
        [("200 bytes", "x".repeat(200)), ("200 bytes, all escaped", "\n".repeat(200)), ("4 KiB", "x".repeat(4096))];
    for (name, body) in texts {
        let (push, mut buffer) = (stored(body), Vec::new());
        let mut group = criterion.benchmark_group("encode a frame");
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bench| {
            bench.iter(|| {
                buffer.clear();
                encoder.push(&mut buffer, black_box(&push));
            });
        });
        group.finish();
    }
}

fn take(criterion: &mut Criterion) {
    let mut tail = full(1);
    criterion.bench_function("take the newest frame", |bench| bench.iter(|| tail.take(black_box(seq(0)), LIMIT)));
    for count in [16, 256] {
        let mut group = criterion.benchmark_group("take joined frames");
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("{count}, by the first subscriber"), |bench| {
            bench.iter_batched_ref(|| full(count), |tail| tail.take(seq(0), LIMIT), BatchSize::SmallInput);
        });
        let mut tail = full(count);
        group.bench_function(format!("{count}, by each further one"), |bench| bench.iter(|| tail.take(seq(0), LIMIT)));
        group.finish();
    }
}

/// A tail with so many frames after position 0.
fn full(count: u64) -> TenantTail {
    let (mut tail, frame) = (TenantTail::new(seq(0)), Bytes::from(vec![b'x'; 280]));
    for position in 1..=count {
        assert!(tail.append(seq(position), frame.clone()), "positions rise");
    }
    tail
}

fn seq(position: u64) -> Seq {
    Seq::new(position).expect("a small number is a position")
}

fn stored(body: String) -> StoredPush {
    StoredPush {
        seq: seq(1042),
        tenant: "acme".parse().expect("letters are an id"),
        push: Push {
            id: "0b46a13c-1111-4222-8333-444455556666".into(),
            created_at: "2026-01-02T03:04:05.678Z".to_owned(),
            title: "Order shipped".to_owned(),
            body,
        },
        received_at: Timestamp::from_millis(1_767_323_045_678),
    }
}

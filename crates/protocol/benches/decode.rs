//! What a frame of the service costs: to decode, to scan for an id when it is broken, and to answer.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use pushgate_model::{Answer, Push};
use pushgate_protocol::{decode_server, encode_answer, encode_push, scan_push_id};

/// Longest frame, in bytes: the default of `upstream.max_message`.
const MAX: usize = 4 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for size in [200, 4096, 65_536] {
        let frame = encode_push(&push(size));
        let mut group = criterion.benchmark_group("decode");
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(format!("push of {size} bytes"), |bench| {
            bench.iter(|| decode_server(black_box(&frame), MAX));
        });
        group.finish();
    }
    let broken = encode_push(&push(4096)).slice(..300);
    criterion.bench_function("scan the id of a broken push", |bench| bench.iter(|| scan_push_id(black_box(&broken))));
    let id = push(0).id;
    criterion.bench_function("encode an answer", |bench| bench.iter(|| encode_answer(black_box(&id), Answer::Ack)));
    criterion.final_summary();
}

fn push(size: usize) -> Push {
    Push {
        id: "0b46a13c-1111-4222-8333-444455556666".into(),
        created_at: "2026-01-02T03:04:05.678Z".to_owned(),
        title: "Order shipped".to_owned(),
        body: "x".repeat(size),
    }
}

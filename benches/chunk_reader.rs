//! How fast RTMP chunks become messages. `cargo xtask bench` runs it.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rtmp::{ChunkReader, ChunkWriter, Limits, RawMessage, type_id};

/// What a socket gives at once.
const READ_BYTES: usize = 16 * 1024;

/// Ten seconds of a 3 Mbit/s publisher, every picture a message and an audio message behind each,
/// in chunks of `chunk_size`; 128 is where every connection starts, 4096 what OBS and 60000 what
/// ffmpeg's successors send.
fn wire(chunk_size: u32) -> Vec<u8> {
    let mut writer = ChunkWriter::new();
    let mut out = Vec::new();
    writer.set_chunk_size(chunk_size, &mut out);
    for n in 0..300 {
        for (csid, kind, bytes) in [(6, type_id::VIDEO, 12_000), (4, type_id::AUDIO, 350)] {
            let message = RawMessage {
                csid,
                timestamp_ms: n * 33,
                type_id: kind,
                message_stream_id: 1,
                payload: Bytes::from(vec![0x17; bytes]),
            };
            writer.write(&message, &mut out).expect("a short message");
        }
    }
    out
}

fn read_all(wire: &[u8]) -> usize {
    let limits = Limits::default();
    let mut reader = ChunkReader::new(&limits, 0);
    reader.set_budget(1 << 20);
    let mut messages = 0;
    for mut input in wire.chunks(READ_BYTES) {
        while let Some(message) = reader.read(&mut input).expect("good chunks") {
            black_box(message);
            messages += 1;
        }
    }
    messages
}

fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rtmp chunk reader");
    for chunk_size in [128, 4_096, 60_000] {
        let wire = wire(chunk_size);
        assert_eq!(read_all(&wire), 600);
        group.throughput(Throughput::Bytes(wire.len() as u64));
        let id = BenchmarkId::from_parameter(chunk_size);
        group.bench_function(id, |bencher| bencher.iter(|| read_all(&wire)));
    }
    group.finish();
}

criterion_group!(benches, chunks);
criterion_main!(benches);

#![allow(warnings)]
use check::*;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
fn main() {
    let url = std::env::args().nth(1).unwrap();
    let secs: u64 = std::env::args().nth(2).map_or(10, |s| s.parse().unwrap());
    let t0 = Instant::now();
    let mut c =
        Checker::new(&url, Options { duration: Duration::from_secs(secs), ..Options::default() })
            .unwrap();
    loop {
        match c.next(t0.elapsed()) {
            Step::Fetch(r) => {
                let sent_at = t0.elapsed();
                let mut cmd = std::process::Command::new("curl");
                cmd.args([
                    "-s",
                    "-D",
                    "/tmp/fc/check/hdr",
                    "-o",
                    "/tmp/fc/check/body",
                    "--max-time",
                    "10",
                ]);
                if r.kind == RequestKind::Playlist {
                    cmd.args(["-H", "Accept-Encoding: gzip"]);
                }
                let ok = cmd.arg(&r.url).status().unwrap().success();
                if !ok {
                    c.failed("curl failed", t0.elapsed());
                    continue;
                }
                let h = std::fs::read_to_string("/tmp/fc/check/hdr").unwrap();
                let body = std::fs::read("/tmp/fc/check/body").unwrap_or_default();
                let status = h.split_whitespace().nth(1).unwrap().parse().unwrap();
                let headers = h
                    .lines()
                    .skip(1)
                    .filter_map(|l| l.split_once(':'))
                    .map(|(a, b)| (a.trim().into(), b.trim().into()))
                    .collect();
                c.response(&Response {
                    status,
                    headers,
                    body: body.into(),
                    sent_at,
                    received_at: t0.elapsed(),
                });
            }
            Step::Decode(j) => {
                let mut v = Vec::new();
                for a in &j.access_units {
                    v.extend_from_slice(&a.annexb);
                }
                std::fs::write("/tmp/fc/check/seg.264", v).unwrap();
                let o = std::process::Command::new("ffmpeg")
                    .args([
                        "-v",
                        "error",
                        "-i",
                        "/tmp/fc/check/seg.264",
                        "-vf",
                        "scale=160:120,format=gray",
                        "-f",
                        "rawvideo",
                        "-fps_mode",
                        "passthrough",
                        "-",
                    ])
                    .output()
                    .unwrap();
                let n = o.stdout.len() / 19200;
                let f: Vec<f64> = o.stdout.iter().map(|b| *b as f64).collect();
                let m = f.iter().sum::<f64>() / f.len().max(1) as f64;
                let s = (f.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / f.len().max(1) as f64)
                    .sqrt();
                c.decoded(&Decoded { pictures: n, luma_mean: m, luma_spread: s, error: None });
            }
            Step::WaitUntil(t) => std::thread::sleep(t.saturating_sub(t0.elapsed())),
            Step::Done => break,
        }
    }
    let r = c.finish(t0.elapsed());
    print!("{r}");
    std::fs::write("/tmp/fc/check/report.json", serde_json::to_string_pretty(&r).unwrap()).unwrap();
    std::process::exit(!r.good as i32);
}

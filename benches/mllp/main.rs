//! Acknowledged-durable messages a second, beside the floor of the same disk in the same run.
//!
//! `cargo bench --bench mllp` sends unique bookings over loopback, one in flight per connection, and
//! checks every answer. A is the daemon, store on disk and texts on; B a listener that parses
//! nothing but MSH-10, appends to a file and answers after a group fdatasync. A and B take turns, so
//! that a slow minute of the machine slows both; the ratio is the median of the pairs. Client,
//! daemon and floor share the processors. Durations are printed, never asserted. The store takes its
//! checkpoints meanwhile; with 20 seconds and more a line is the rate that can be kept up.
//!
//! `APPOINTD_BENCH_DIR`: a folder on the disk to be measured, by default cargo's target folder;
//! `APPOINTD_BENCH_SECONDS` of each measurement, 1.2; `APPOINTD_BENCH_PAIRS`, 3.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod daemon;
mod floor;
mod load;
mod message;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use daemon::Daemon;
use load::{Load, Tally};
use message::Phones;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Connections and phones of each line of the table.
const CASES: [(usize, Phones); 5] = [
    (1, Phones::Many),
    (8, Phones::Many),
    (64, Phones::Many),
    (256, Phones::Many),
    (64, Phones::Shared),
];

fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs this too, and wants no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let folder = PathBuf::from(setting("DIR", env!("CARGO_TARGET_TMPDIR").to_owned()));
    let seconds = Duration::from_secs_f64(setting("SECONDS", 1.2));
    let pairs: usize = setting("PAIRS", 3);
    let folder = tempfile::tempdir_in(folder)?;
    let daemon = Daemon::start(&folder.path().join("store"))?;
    let floor = floor::start(&folder.path().join("floor.log"))?;
    println!(
        "                    daemon                        floor                  daemon/floor"
    );
    println!(
        "conns phones      msg/s  p50 ms  p99 ms  cpu/k    msg/s  p50 ms  p99 ms  cpu/k   ratio"
    );
    for (connections, phones) in CASES {
        let load = |address: SocketAddr| Load { address, connections, phones, lasts: seconds };
        let mut taken = Vec::new();
        for _ in 0..pairs.max(1) {
            let ours = load::run(load(daemon.address))?;
            // What the daemon still has to bring into its base is not the floor's to suffer from.
            daemon.settle()?;
            taken.push((ours, load::run(load(floor))?));
        }
        let name = phones.name();
        let ratio = median(&taken, |(daemon, floor)| daemon.rate() / floor.rate());
        let (ours, theirs) = (line(&taken, |pair| &pair.0), line(&taken, |pair| &pair.1));
        println!("{connections:>5} {name:<7} {ours} {theirs} {ratio:>7.2}");
    }
    daemon.stop()
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let text = std::env::var(format!("APPOINTD_BENCH_{name}"));
    text.ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Rate, latencies in milliseconds, processor seconds per 1,000 messages; each the pairs' median.
fn line(taken: &[(Tally, Tally)], of: fn(&(Tally, Tally)) -> &Tally) -> String {
    format!(
        "{:>8.0} {:>7.2} {:>7.2} {:>6.3}",
        median(taken, |pair| of(pair).rate()),
        median(taken, |pair| of(pair).latency_ms(0.5)),
        median(taken, |pair| of(pair).latency_ms(0.99)),
        median(taken, |pair| of(pair).cpu_seconds_per_1000()),
    )
}

fn median(taken: &[(Tally, Tally)], of: impl Fn(&(Tally, Tally)) -> f64) -> f64 {
    let mut values: Vec<f64> = taken.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

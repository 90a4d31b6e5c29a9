//! Reading what a service remembers, beside a user of async-nats who keeps values of his own in a bucket.
//!
//! Both buckets are on one server, and are only read.

use std::fmt;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::kv;
use async_nats::jetstream::{self, context::Context};
use futures::{StreamExt, TryStreamExt, stream};
use rapids_client::{Config, MemoryView, Rapids};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{at_most, known};
use crate::bench_server::{BenchServer, SyncInterval};
use crate::comparison::{Bench, Comparison};
use crate::figure::{Figure, Figures};
use crate::report::Report;
use crate::samples::quantile;
use crate::sides::order_id;
use crate::table::grouped;

/// The service whose memory is read, and where it is.
const SERVICE: &str = "bench";
const OURS: &str = "RAPIDS_MEMORY_bench";
const MEMORY: &str = "orders";
/// The bucket of the user of async-nats.
const PLAIN: &str = "orders";

/// How many are stored at once.
const AT_ONCE: usize = 512;
/// So many values are read one after the other.
const READS: u64 = 5_000;
/// Of so many values one is selected.
const SELECTED: u64 = 100;

/// An order of a shop.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    customer: String,
    total: u64,
    items: Vec<Item>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: u64,
    price: u64,
}

impl Order {
    fn new(number: u64) -> Self {
        let item = |name: &str| Item { sku: format!("summit/{name}"), quantity: 1, price: number };
        let customer = format!("customer-{}", number % 1_000);
        Self {
            customer,
            total: number % SELECTED,
            items: ["tent", "rope", "lamp"].map(item).into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Ours,
    Plain,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Plain => "plain",
        })
    }
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Get,
    Keys,
    Entries,
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.packets(100_000);
    let server = bench.server(SyncInterval::Default).await?;
    let reading = Reading::prepare(&server, count).await?;
    for (read, what) in [
        (Read::Get, format!("the value of a key, {} one after the other", grouped(READS))),
        (Read::Keys, "all keys".to_owned()),
        (Read::Entries, "the entries that a filter selects, 1 % of all".to_owned()),
    ] {
        let target = match read {
            Read::Get => at_most(Figure::P50Micros, "plain", 1.3),
            Read::Keys | Read::Entries => at_most(Figure::PassMillis, "plain", 2.0),
        };
        let comparison = Comparison {
            case: "query",
            setting: format!("{what}; {} keys of 250 B", grouped(count)),
            sides: &[Reader::Ours, Reader::Plain],
            targets: vec![target],
            time: std::time::Duration::from_secs(60),
        };
        let measure = async |reader| reading.measure(reader, read).await;
        report.add(bench.run(comparison, measure).await?)?;
    }
    server.close().await;
    Ok(())
}

/// Both buckets, filled.
struct Reading {
    view: MemoryView<Order>,
    store: kv::Store,
    count: u64,
}

impl Reading {
    async fn prepare(server: &BenchServer, count: u64) -> Result<Self> {
        let jetstream = jetstream::new(async_nats::connect(server.url()).await?);
        let record = |number| {
            let key = order_id(number);
            let packet = format!("0193a1b2-c3d4-7000-8000-{number:012}");
            let folded = json!({"follow": [[packet, number + 1]]});
            let order = Order::new(number);
            let record = json!({"version": 1, "key": format!("{MEMORY}.{key}"), "memory": order, "folded": folded});
            (format!("{MEMORY}.{key}"), record.to_string())
        };
        fill(&jetstream, OURS, count, record).await?;
        let value = |number| (order_id(number), json!(Order::new(number)).to_string());
        let store = fill(&jetstream, PLAIN, count, value).await?;
        let rapids = Rapids::connect(&Config::new(server.url())).await?;
        Ok(Self { view: rapids.memory(SERVICE, MEMORY), store, count })
    }

    async fn measure(&self, reader: Reader, read: Read) -> Result<Figures> {
        let begun = Instant::now();
        let (found, expected) = match (read, reader) {
            (Read::Get, reader) => return self.gets(reader).await,
            (Read::Keys, Reader::Ours) => (self.view.keys("").await?.len(), self.count),
            (Read::Keys, Reader::Plain) => {
                let keys: Vec<String> = self.store.keys().await?.try_collect().await?;
                (keys.len(), self.count)
            }
            (Read::Entries, Reader::Ours) => {
                (self.view.entries("@.total == 7").await?.len(), self.count / SELECTED)
            }
            (Read::Entries, Reader::Plain) => (self.selected().await?, self.count / SELECTED),
        };
        let took = begun.elapsed().as_secs_f64();
        ensure!(found as u64 == expected, "{found} were read instead of {expected}");
        Ok(known([(Figure::PassMillis, Some(took * 1e3))]))
    }

    /// The entries that a user of async-nats selects.
    async fn selected(&self) -> Result<usize> {
        let mut selected = std::collections::BTreeMap::new();
        let mut entries = self.store.watch_with_history(">").await?;
        loop {
            let entry = entries.next().await.context("the watch has ended")??;
            let order: Order = serde_json::from_slice(&entry.value)?;
            if order.total == 7 {
                selected.insert(entry.key, order);
            }
            if entry.delta == 0 {
                return Ok(selected.len());
            }
        }
    }

    async fn gets(&self, reader: Reader) -> Result<Figures> {
        let mut took = Vec::new();
        for number in 0..READS {
            // All over the bucket.
            let key = order_id(number * 7_919 % self.count);
            let begun = Instant::now();
            let order = match reader {
                Reader::Ours => self.view.get(key).await?,
                Reader::Plain => {
                    let value = self.store.get(key).await?;
                    value.map(|value| serde_json::from_slice(&value)).transpose()?
                }
            };
            took.push(begun.elapsed().as_secs_f64() * 1e6);
            ensure!(order.is_some(), "a key is missing");
        }
        took.sort_by(f64::total_cmp);
        let figures = [(Figure::P50Micros, 0.5), (Figure::P99Micros, 0.99)];
        Ok(known(figures.map(|(figure, share)| (figure, quantile(&took, share)))))
    }
}

/// Makes a bucket, and fills it.
async fn fill(
    jetstream: &Context,
    bucket: &str,
    count: u64,
    entry: impl Fn(u64) -> (String, String),
) -> Result<kv::Store> {
    let config = kv::Config { bucket: bucket.to_owned(), ..kv::Config::default() };
    let store = jetstream.create_key_value(config).await?;
    let puts = stream::iter(0..count).map(|number| {
        let (store, (key, value)) = (&store, entry(number));
        async move { store.put(key, value.into()).await }
    });
    puts.buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
    Ok(store)
}

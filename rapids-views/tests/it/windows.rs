//! A window of the rapids, and the graph of it.

use std::time::Duration;

use rapids_client::{DeadLetters, Filter, Packet, River, Service, Timestamp, reject};
use rapids_views::{Edge, Graph, NodeKind, State, WindowReader};

use crate::bench::Bench;

#[tokio::test]
async fn the_graph_of_a_window_tells_how_often_and_how_many_letters() {
    let bench = Bench::start().await;
    let since = Timestamp::now() - Duration::from_secs(60);
    let river = River::new("charge")
        .event("placed")
        .react(|_: Packet| async { Err::<(), _>(reject("no card")) });
    let _running = bench.run(Service::new("payment", bench.config()).river(river));
    let status = bench.once("payment", State::Live).await;
    let mut letters = DeadLetters::follow(&bench.config(), &Filter::new()).await.unwrap();
    for _ in 0..2 {
        bench.rapids.publish(Packet::event("placed")).await.unwrap();
        letters.next().await.unwrap();
    }

    let opened = DeadLetters::open(&bench.config()).await.unwrap();
    let reading = WindowReader::new(&bench.rapids, since);
    let observed = reading.map(opened.as_ref(), Some(&status.instances)).await.unwrap();
    assert!(observed.warnings.is_empty(), "{:?}", observed.warnings);
    let graph = Graph::of(&observed.map);
    let nodes: Vec<_> =
        graph.nodes.iter().map(|node| (node.kind, &*node.label, node.letters)).collect();
    assert_eq!(
        nodes,
        [
            (NodeKind::Name, "placed", 0),
            (NodeKind::Service, "payment", 2),
            (NodeKind::Outside, "outside", 0),
        ]
    );
    let edge = |Edge { from, to, packets, letters, .. }: &Edge| (*from, *to, *packets, *letters);
    let edges: Vec<_> = graph.edges.iter().map(edge).collect();
    assert_eq!(edges, [(0, 1, 2, 2), (2, 0, 2, 0)]);
}

#[tokio::test]
async fn without_letters_and_without_rivers_there_is_a_map_and_with_shapes_a_schema() {
    let bench = Bench::start().await;
    bench.rapids.publish(Packet::event("placed").with("total", 1)).await.unwrap();
    let since = Timestamp::now() - Duration::from_secs(60);
    let reading = WindowReader::new(&bench.rapids, since);
    let observed = reading.map(None, None).await.unwrap();
    assert_eq!((observed.map.packets, observed.map.rivers_known), (1, false));
    let (observed, shapes) = reading.map_and_shapes(Some(&[])).await.unwrap();
    assert_eq!(observed.map.odd.len(), 1);
    let name = observed.map.published[0].name.clone().unwrap();
    assert!(shapes.schema(&name).is_some());
    assert!(reading.shapes(&name).await.unwrap().schema(&name).is_some());
}

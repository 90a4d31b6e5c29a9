use std::time::Duration;

use jiff::Timestamp;

use super::{Node, Subject, tree};
use crate::dead_letters::{DeadLetter, StoredLetter, testing};
use crate::letter_action::{Action, ActionKind, Note, State};
use crate::packet::id::{attempt_id, effect_id};
use crate::packet::{Arrival, Packet};
use crate::{Conversation, ReadingEnd};

fn second(second: u64) -> Timestamp {
    let begin: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
    begin + Duration::from_secs(second)
}

/// A packet, stored at the second of its sequence.
fn packet(sequence: u64, id: &str, cause: Option<&str>) -> Packet {
    let cause = cause.map_or(String::new(), |cause| format!(r#","causation_id":"{cause}""#));
    let body = format!(r#"{{"event":"x","rapids":{{"id":"{id}","correlation_id":"a"{cause}}}}}"#);
    let arrival = Arrival { stream_created: second(0), ..Arrival::at(sequence, second(sequence)) };
    Packet::arrived(body, arrival).unwrap()
}

/// A letter about a packet, stored at a second.
fn letter(written: u64, id: &str, packet_id: &str) -> StoredLetter {
    let id = id.parse().unwrap();
    let letter = DeadLetter {
        id,
        packet_id: packet_id.to_owned(),
        first: None,
        former: None,
        stored: second(1),
        ..testing::letter()
    };
    StoredLetter {
        letter,
        written: second(written),
        sequence: written,
        size: 2,
        state: State::Waiting,
        actions: Vec::new(),
        again: None,
    }
}

fn acted(mut letter: StoredLetter, kind: ActionKind, packet_id: Option<&str>) -> StoredLetter {
    let packet_id = packet_id.map(str::to_owned);
    let action = Action { packet_id, ..Action::new(kind, &Note::new("ada")) };
    letter.state = kind.outcome();
    letter.actions = vec![action];
    letter
}

fn name(node: &Node<'_>) -> String {
    let name = match node.subject {
        Subject::Packet(packet) => packet.id().to_owned(),
        Subject::Letter(letter) => letter.letter.id.to_string(),
        Subject::Missing(id) => format!("?{id}"),
    };
    let circle = if node.is_in_circle { "*" } else { "" };
    format!("{}{name}{circle}", ".".repeat(node.depth))
}

fn shown(packets: &[Packet], letters: &[StoredLetter]) -> String {
    tree(packets, letters).iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_packet_stands_below_its_cause_in_the_order_of_the_stream() {
    let packets = [
        packet(1, "a", None),
        packet(2, "b", Some("a")),
        packet(3, "c", Some("a")),
        packet(4, "d", Some("b")),
        packet(5, "e", Some("a")),
    ];
    assert_eq!(shown(&packets, &[]), "a .b ..d .c .e");
    let nodes = tree(&packets, &[]);
    let last: Vec<_> = nodes.iter().map(|node| node.is_last).collect();
    assert_eq!(last, [true, false, true, false, true]);
    let d = nodes[2];
    assert_eq!((d.parent, d.depth), (Some(1), 2));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!((d.since_first, d.since_cause), (seconds(3), seconds(2)));
    assert_eq!((nodes[0].since_first, nodes[0].since_cause), (seconds(0), None));
}

#[test]
fn a_cause_that_is_missing_is_there_once_with_all_that_it_led_to() {
    let packets = [
        packet(1, "b", Some("gone")),
        packet(2, "c", Some("b")),
        packet(3, "d", Some("gone")),
        packet(4, "e", None),
    ];
    assert_eq!(shown(&packets, &[]), "?gone .b ..c .d e");
    let gone = tree(&packets, &[])[0];
    assert_eq!((gone.since_first, gone.since_cause), (None, None));
    let letters = [letter(9, "payment.charge.1", "lost")];
    assert_eq!(shown(&packets, &letters), "?gone .b ..c .d e ?lost .payment.charge.1");
    assert_eq!(shown(&[], &letters), "?lost .payment.charge.1");
}

#[test]
fn causes_that_lead_in_a_circle_lose_no_packet() {
    let packets = [packet(1, "a", Some("a")), packet(2, "b", Some("a"))];
    assert_eq!(shown(&packets, &[]), "a .b");
    assert_eq!(tree(&packets, &[])[0].since_cause, None);
    let packets = [
        packet(1, "a", Some("c")),
        packet(2, "b", Some("a")),
        packet(3, "c", Some("b")),
        packet(4, "d", Some("b")),
        packet(5, "p", Some("q")),
        packet(6, "q", Some("p")),
    ];
    assert_eq!(shown(&packets, &[]), "a* .b ..c ..d p* .q");
    let nodes = tree(&packets, &[]);
    // Its cause claims to come later.
    assert_eq!(nodes[0].since_cause, None);
    let tops = nodes.iter().filter(|node| node.parent.is_none());
    assert_eq!(tops.map(|node| node.is_last).collect::<Vec<_>>(), [false, true]);
    let mut letters = [letter(8, "a.a.1", "gone"), letter(9, "a.a.2", "gone")];
    let ids = letters.each_ref().map(|letter| letter.letter.id.clone());
    letters[0].again = Some(ids[1].clone());
    letters[1].again = Some(ids[0].clone());
    assert_eq!(shown(&[], &letters), "a.a.1* .a.a.2");
}

#[test]
fn a_packet_that_was_stored_twice_is_there_twice() {
    let packets = [packet(1, "a", None), packet(2, "b", Some("a")), packet(3, "b", Some("a"))];
    assert_eq!(shown(&packets, &[]), "a .b .b");
    let mut second = letter(9, "payment.charge.3", "b");
    second.letter.sequence = 3;
    assert_eq!(shown(&packets, &[second]), "a .b .b ..payment.charge.3");
}

#[test]
fn a_letter_stands_below_its_packet_and_what_became_of_it_below_the_letter() {
    let edit = acted(letter(3, "payment.charge.1", "a"), ActionKind::Edit, Some("edited"));
    let packets = [
        packet(1, "a", None),
        packet(2, "stock", Some("a")),
        packet(8, "paid", Some("edited")),
        packet(9, "packaged", Some("paid")),
    ];
    let letters = std::slice::from_ref(&edit);
    assert_eq!(shown(&packets, letters), "a .stock .payment.charge.1 ..paid ...packaged");
    // The reaction's cause is not on the rapids.
    assert_eq!(tree(&packets, letters)[3].since_cause, None);

    let all = acted(letter(3, "payment.charge.1", "a"), ActionKind::ReplayToAll, Some("new"));
    let packets = [packet(1, "a", None), packet(5, "new", Some("a")), packet(6, "x", Some("new"))];
    assert_eq!(shown(&packets, &[all]), "a .payment.charge.1 ..new ...x");
}

#[test]
fn letters_of_replays_that_failed_again_hang_together() {
    let mut first = acted(letter(2, "payment.charge.1", "a"), ActionKind::Edit, Some("edited"));
    let mut second = acted(letter(5, "payment.charge.r1", "edited"), ActionKind::Replay, None);
    first.state = State::FailedAgain;
    first.again = Some(second.letter.id.clone());
    let mut third = letter(7, "payment.charge.r2", "edited");
    second.again = Some(third.letter.id.clone());
    second.state = State::FailedAgain;
    let packets = [packet(1, "a", None)];
    let expected = "a .payment.charge.1 ..payment.charge.r1 ...payment.charge.r2";
    assert_eq!(shown(&packets, &[first.clone(), second, third.clone()]), expected);
    // Without the one between, its packet still tells which letter it belongs to; without that, `first`.
    let expected = "a .payment.charge.1 ..payment.charge.r2";
    assert_eq!(shown(&packets, &[first.clone(), third.clone()]), expected);
    third.letter.packet_id = "unknown".to_owned();
    third.letter.first = Some(first.letter.id.clone());
    assert_eq!(shown(&packets, &[first, third]), expected);
}

#[test]
fn what_a_replay_led_to_stands_below_the_letter() {
    let replayed = acted(letter(3, "payment.charge.1", "a"), ActionKind::Replay, None);
    let paid = effect_id(None, "a", "payment", "charge", 1);
    let packets = [
        packet(1, "a", None),
        packet(2, "stock", Some("a")),
        packet(6, &paid, Some("a")),
        packet(7, "packaged", Some(&paid)),
    ];
    let expected = format!("a .stock .payment.charge.1 ..{paid} ...packaged");
    assert_eq!(shown(&packets, &[replayed]), expected);
}

/// A packet that a service has published.
fn of_service(sequence: u64, id: &str, service: &str) -> Packet {
    let body = format!(
        r#"{{"event":"x","rapids":{{"id":"{id}","correlation_id":"a","causation_id":"a",
            "breadcrumbs":["{service}"]}}}}"#
    );
    let arrival = packet(sequence, id, None).arrival().unwrap().clone();
    Packet::arrived(body, arrival).unwrap()
}

#[test]
fn what_a_replay_led_to_is_found_where_somebody_else_has_used_its_id_before() {
    let replayed = acted(letter(3, "payment.charge.1", "a"), ActionKind::Replay, None);
    let first = effect_id(None, "a", "payment", "charge", 0);
    let second = attempt_id(None, &first, 1);
    let packets =
        [packet(1, "a", None), of_service(2, &first, "thief"), of_service(6, &second, "payment")];
    let expected = format!("a .{first} .payment.charge.1 ..{second}");
    assert_eq!(shown(&packets, &[replayed]), expected);
}

#[test]
fn what_a_replay_led_to_is_found_by_its_service_and_time_where_ids_are_derived_with_a_key() {
    let mut replayed = acted(letter(3, "payment.charge.1", "a"), ActionKind::Replay, None);
    replayed.actions[0].at = second(5);
    let id = |n: u32| format!("019aa5a2-3f40-8000-8000-00000000000{n}");
    let packets = [
        packet(1, "a", None),
        of_service(4, &id(4), "payment"),
        of_service(6, &id(6), "payment"),
        of_service(7, &id(7), "stock"),
    ];
    let [before, paid, stock] = [id(4), id(6), id(7)];
    let expected = format!("a .payment.charge.1 ..{paid} .{before} .{stock}");
    assert_eq!(shown(&packets, &[replayed]), expected);
}

#[test]
fn that_a_packet_was_given_up_stands_below_it_and_that_it_recovered_below_the_letter() {
    let replayed = acted(letter(2, "payment.charge.1", "a"), ActionKind::Replay, None);
    let [failed, recovered] = ["give up", "recovered"]
        .map(|told| effect_id(None, "a", "payment", "charge", format!("{told} payment.charge.1")));
    let packets = [
        packet(1, "a", None),
        packet(3, &failed, Some("a")),
        packet(4, "cancelled", Some(&failed)),
        packet(6, &recovered, Some("a")),
    ];
    let expected = format!("a .payment.charge.1 ..{recovered} .{failed} ..cancelled");
    assert_eq!(shown(&packets, &[replayed]), expected);
}

#[test]
fn a_chain_of_any_length_is_a_tree() {
    let chain = |n: u64| {
        let cause = (n > 0).then(|| (n - 1).to_string());
        packet(n, &n.to_string(), cause.as_deref())
    };
    let packets: Vec<_> = (0..5_000).map(chain).collect();
    assert_eq!(tree(&packets, &[])[4_999].depth, 4_999);
}

#[test]
fn a_conversation_of_what_is_known_is_as_if_it_was_read() {
    let packets = vec![packet(5, "c", Some("b")), packet(1, "a", None), packet(3, "b", Some("a"))];
    let letters = vec![letter(6, "payment.charge.5", "c"), letter(4, "payment.charge.3", "b")];
    let conversation = Conversation::of("a", packets, letters, true);
    let ids: Vec<_> = conversation.packets.iter().map(Packet::id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(conversation.letters[0].sequence, 4);
    assert_eq!((conversation.read_to, conversation.end), (5, ReadingEnd::Stream));
    assert!(conversation.has_expired);
    let tree = conversation.tree().iter().map(name).collect::<Vec<_>>().join(" ");
    assert_eq!(tree, "a .b ..payment.charge.3 ..c ...payment.charge.5");
    assert_eq!(Conversation::of("a", Vec::new(), Vec::new(), false).read_to, 0);
}

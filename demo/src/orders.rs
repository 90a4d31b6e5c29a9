//! The orders to place, which follow from a seed.
//!
//! Some are above every customer's limit, some ask for a product that is nearly sold out, and some
//! cannot be accepted at all. Some are ordered on invoice. The first ones are so large that their customers
//! are flagged, who order again later.

use fastrand::Rng;
use rapids_client::Packet;
use serde::Serialize;

use crate::outside::{CLEARED, FLAGGED, INVOICED, NEVER_PAYS};
use crate::prices::CHANGED;

/// What one customer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) customer: &'static str,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    pub(crate) sku: &'static str,
    pub(crate) quantity: u32,
    /// The price of one piece in cents that the catalogue should name.
    #[serde(skip)]
    pub(crate) price: u32,
}

impl Order {
    /// The command that places the order, as long as prices are not asked for.
    pub(crate) fn command(&self) -> Packet {
        let command = Packet::command("place_order").with("customer", self.customer);
        let command = command.with("items", &self.items);
        if DEBTORS.contains(&self.customer) { command.with("payment", "invoice") } else { command }
    }

    /// Whether nobody will pay for it.
    pub(crate) fn is_never_paid(&self) -> bool {
        self.customer == NEVER_PAYS
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    /// Only five pieces exist: the first few of these get them at once. The numbers begin with 0.
    Scarce(usize),
    TooExpensive,
    /// Not charged until the invoice is paid, which every other one never is. The numbers begin with 0.
    OnInvoice(usize),
    /// So far above the limit that two of these have their customer flagged.
    Absurd,
    /// Of a customer who is flagged by then, or was, in turn. The numbers begin with 0.
    Again(usize),
    Impossible,
}

const CUSTOMERS: [&str; 6] = ["ada", "grace", "barbara", "alan", "edsger", "zoe"];

/// Whose orders are absurd, and come again.
const SUSPECTS: [&str; 2] = [FLAGGED, CLEARED];

/// Who orders on invoice.
const DEBTORS: [&str; 2] = [INVOICED, NEVER_PAYS];

/// Products with prices in cents. Two pieces of any two of them cost less than the lowest limit, 1,000.00.
const PRODUCTS: [(&str, u32); 5] = [
    ("riverside/canoe", 7_550),
    ("riverside/paddle", 4_900),
    ("summit/tent", 19_900),
    ("summit/rope", 3_900),
    CHANGED,
];

const SCARCE: (&str, u32) = ("lunar/moonraft", 19_900);

/// As many orders as asked for; the same ones for the same seed.
pub(crate) fn orders(count: usize, seed: u64) -> Vec<Order> {
    let mut random = Rng::with_seed(seed);
    let absurd = if count < 20 { 0 } else { 2 * SUSPECTS.len() };
    let again = if absurd == 0 { 0 } else { count / 8 };
    let mut kinds = vec![Kind::Plain; count - absurd - again];
    let special = std::iter::repeat_n(Kind::TooExpensive, count.div_ceil(8))
        .chain(std::iter::repeat_n(Kind::Scarce(0), count.div_ceil(5)))
        .chain((0..count.div_ceil(8)).map(Kind::OnInvoice))
        .chain(std::iter::repeat_n(Kind::Impossible, count / 15));
    for (place, kind) in kinds.iter_mut().zip(special) {
        *place = kind;
    }
    random.shuffle(&mut kinds);
    let mut later = kinds.split_off(kinds.len() / 2);
    later.extend((0..again).map(Kind::Again));
    random.shuffle(&mut later);
    let mut kinds: Vec<_> =
        std::iter::repeat_n(Kind::Absurd, absurd).chain(kinds).chain(later).collect();
    let scarce = kinds.iter_mut().filter_map(|kind| match kind {
        Kind::Scarce(number) => Some(number),
        _ => None,
    });
    for (count, number) in scarce.enumerate() {
        *number = count;
    }
    kinds.into_iter().enumerate().map(|(place, kind)| order(place, kind, &mut random)).collect()
}

fn order(place: usize, kind: Kind, random: &mut Rng) -> Order {
    let customer = match kind {
        Kind::Absurd => SUSPECTS[place % SUSPECTS.len()],
        Kind::Again(number) => SUSPECTS[number % SUSPECTS.len()],
        // So those who come too late are customers of each answer to a later date.
        Kind::Scarce(number) => CUSTOMERS[number % CUSTOMERS.len()],
        Kind::OnInvoice(number) => DEBTORS[number % DEBTORS.len()],
        _ => CUSTOMERS[random.usize(..CUSTOMERS.len())],
    };
    let items = match kind {
        Kind::Plain | Kind::Again(_) | Kind::OnInvoice(_) => plain(random),
        Kind::Absurd => vec![item(PRODUCTS[2], 60)],
        Kind::Scarce(number) if number < CUSTOMERS.len() => vec![item(SCARCE, 2)],
        Kind::Scarce(_) => vec![item(SCARCE, random.u32(1..=2))],
        Kind::TooExpensive => {
            // Some are short of stock too, so that both services decline.
            let scarce = random.bool().then(|| item(SCARCE, 1));
            scarce.into_iter().chain([item(PRODUCTS[2], random.u32(15..=30))]).collect()
        }
        Kind::Impossible => vec![item(PRODUCTS[random.usize(..PRODUCTS.len())], 0)],
    };
    Order { customer, items }
}

fn plain(random: &mut Rng) -> Vec<Item> {
    let mut products = PRODUCTS;
    random.shuffle(&mut products);
    let kinds = random.usize(1..=2);
    products[..kinds].iter().map(|&product| item(product, random.u32(1..=2))).collect()
}

fn item((sku, price): (&'static str, u32), quantity: u32) -> Item {
    Item { sku, quantity, price }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(order: &Order) -> u32 {
        order.items.iter().map(|item| item.quantity * item.price).sum()
    }

    #[test]
    fn same_seed_places_the_same_orders_and_another_seed_others() {
        assert_eq!(orders(50, 7), orders(50, 7));
        assert_ne!(orders(50, 7), orders(50, 8));
    }

    #[test]
    fn every_seed_has_orders_over_the_limit_and_more_of_the_scarce_than_exists() {
        for seed in 0..50 {
            let orders = orders(30, seed);
            assert_eq!(orders.len(), 30);
            assert_eq!(orders.iter().filter(|order| total(order) > 250_000).count(), 8);
            let absurd = orders.iter().filter(|order| total(order) >= 1_000_000);
            let absurd: Vec<_> = absurd.map(|order| order.customer).collect();
            assert_eq!(absurd, [SUSPECTS, SUSPECTS].concat());
            let later = orders[absurd.len()..].iter();
            let again = later.filter(|order| SUSPECTS.contains(&order.customer));
            assert_eq!(again.count(), 3);
            let by =
                |customer: &str| orders.iter().filter(|order| order.customer == customer).count();
            assert_eq!((by(INVOICED), by(NEVER_PAYS)), (2, 2));
            let scarce = orders.iter().flat_map(|order| &order.items);
            let wanted: u32 =
                scarce.filter(|item| item.sku == SCARCE.0).map(|item| item.quantity).sum();
            assert!(wanted > 5, "seed {seed} wants {wanted}");
            assert!(orders.iter().any(|order| total(order) == 0), "seed {seed}");
        }
    }

    #[test]
    fn every_other_order_is_within_the_smallest_limit() {
        for order in orders(1_000, 3) {
            let total = total(&order);
            assert!(total <= 100_000 || total > 250_000, "{order:?}");
        }
    }

    #[test]
    fn one_order_is_one_order() {
        assert_eq!(orders(1, 1).len(), 1);
    }
}

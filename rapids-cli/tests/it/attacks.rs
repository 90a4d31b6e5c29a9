//! What the program of one service can do to another service: all of it where services share an account,
//! and nothing of it in the secured form.
//!
//! Each attack is tried twice, as the user of the service `orders` against the service `payment`. The table
//! in docs/security.md lists them by these names.

mod deliveries;
mod ids;
mod library;
mod replies;
mod streams;
pub(crate) mod world;
mod writes;

use std::pin::Pin;

use world::World;

/// An attack, and whether it had its effect.
#[derive(Clone, Copy)]
struct Attack {
    name: &'static str,
    /// Whether it has its effect in the simple form.
    works_without: bool,
    run: for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = bool> + 'a>>,
}

/// An attack of this name by this function.
macro_rules! attack {
    ($name:expr, $run:path) => {
        $crate::attacks::Attack {
            name: $name,
            works_without: true,
            run: |world| Box::pin($run(world)),
        }
    };
}
use attack;

fn all() -> Vec<Attack> {
    let lists = [
        deliveries::ATTACKS,
        streams::ATTACKS,
        writes::ATTACKS,
        replies::ATTACKS,
        library::ATTACKS,
        ids::ATTACKS,
    ];
    lists.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_succeed_where_services_share_an_account() {
    let mut others = Vec::new();
    for attack in all() {
        // Some have to be quicker than the service that they are on, which they may not be at once.
        let tries = if attack.works_without { 3 } else { 1 };
        let mut has_worked = false;
        for _ in 0..tries {
            // A server of its own, since those before it have done their damage.
            has_worked = (attack.run)(&World::simple().await).await;
            if has_worked {
                break;
            }
        }
        if has_worked != attack.works_without {
            others.push(attack.name);
        }
    }
    assert!(others.is_empty(), "not as listed: {others:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attack_succeeds_in_the_secured_form() {
    let world = World::secured().await;
    let mut succeeded = Vec::new();
    for attack in all() {
        if (attack.run)(&world).await {
            succeeded.push(attack.name);
        }
    }
    assert!(succeeded.is_empty(), "with effect: {succeeded:#?}");
    world.victim_works().await;
}

#[test]
fn the_document_lists_exactly_these_attacks() {
    let document = include_str!("../../../docs/security.md");
    let (_, table) = document.split_once("| attack |").expect("the document has the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| "));
    let listed: Vec<_> = rows.map(str::to_owned).collect();
    let row = |attack: &Attack| {
        let without = if attack.works_without { "yes" } else { "no" };
        format!("| {} | {without} | no |", attack.name)
    };
    assert_eq!(listed, all().iter().map(row).collect::<Vec<_>>());
}

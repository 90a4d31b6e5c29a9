//! The console beside the shop, and customers who order on, so that there is something to be seen.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use rapids_client::Rapids;
use tokio::time::{MissedTickBehavior, interval};

use crate::orders;
use crate::prices::Prices;
use crate::rivers::{self, Program};

/// The name of the crate, and of its program.
pub(crate) const NAME: &str = "rapids-console";

/// How often somebody orders.
const PAUSE: Duration = Duration::from_secs(1);

/// So many orders follow from one seed.
const ORDERS: usize = 100;

/// For how long these orders wait for their payment, longer than those of which facts are verified: whoever
/// watches breaks the payment, and takes a while to mend what became of it.
const PAY_WITHIN: &str = "30m";

/// What there is to be pressed on the overview.
const BUTTONS: [&str; 2] = [
    r#"Break payment={"command":"break_payment","share":0.5,"seconds":60}"#,
    r#"Mend payment={"command":"break_payment","share":0}"#,
];

/// The program of the console, which [`rivers::build`] has built, to be run at this address.
///
/// # Errors
/// If it cannot be told where the demo itself was built.
pub(crate) fn program(address: SocketAddr) -> Result<Program> {
    let path = rivers::built(NAME)?;
    let mut arguments = vec!["--listen".to_owned(), address.to_string()];
    arguments.extend(BUTTONS.iter().map(|button| format!("--button={button}")));
    Ok(Program { name: NAME.to_owned(), services: Vec::new(), path, arguments })
}

/// Places one order after the other, without end.
///
/// # Errors
/// If a price cannot be asked for, or an order cannot be placed.
pub(crate) async fn keep_ordering(rapids: &Rapids, prices: &Prices, seed: u64) -> Result<()> {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for seed in seed.wrapping_add(1).. {
        for order in orders::orders(ORDERS, seed) {
            ticks.tick().await;
            let command = prices.fill_in(order.command()).await?;
            let command = match order.is_never_paid() {
                true => command,
                false => command.with("pay_within", PAY_WITHIN),
            };
            rapids.publish(command).await?;
        }
    }
    Ok(())
}

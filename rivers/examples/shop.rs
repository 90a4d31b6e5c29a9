//! shop: services of the shop in one process, which share one feed from the server.
//!
//! Each is still a service with a position of its own, and can run in a process of its own again. In
//! a bundle, delivery is exclusive. Bundles belong here, because in `rivers/src/bin` each file is one
//! service.
//! Run: `just bundle shop`

use anyhow::Result;
use rapids_client::{bundle, telemetry};

#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../src/bin/back_order.rs"]
mod back_order;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../src/bin/inventory.rs"]
mod inventory;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../src/bin/order.rs"]
mod order;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../src/bin/payment.rs"]
mod payment;
#[expect(dead_code, reason = "its `main` is for a process of its own")]
#[path = "../src/bin/shipping.rs"]
mod shipping;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    let services = [
        back_order::service()?,
        inventory::service()?,
        order::service()?,
        payment::service()?,
        shipping::service()?,
    ];
    Ok(bundle(services).run().await?)
}

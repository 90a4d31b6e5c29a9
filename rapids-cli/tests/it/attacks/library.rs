//! The same with the library, whose operations are meant for operators.

use rapids_client::{Rapids, Retiring, Seek, Start};

use super::world::World;
use super::{Attack, attack};

pub(super) const ATTACKS: &[Attack] = &[
    attack!("move another's position with the library", move_position),
    attack!("retire another with the library", retire),
];

async fn rapids(world: &World) -> Option<Rapids> {
    Rapids::open(&world.config_of("orders")).await.ok().flatten()
}

async fn move_position(world: &World) -> bool {
    let Some(rapids) = rapids(world).await else { return false };
    rapids
        .move_position("payment", Start::Now, Seek::new())
        .await
        .is_ok_and(|moved| moved.is_some())
}

async fn retire(world: &World) -> bool {
    let Some(rapids) = rapids(world).await else { return false };
    rapids.retire("payment", Retiring::new()).await.is_ok_and(|retired| retired.is_some())
}

//! Services of the shop together, on rapids without a server.

use rapids_client::Service;
use rapids_test::TestRapids;

/// Rapids with these services.
pub(crate) fn shop(names: &[&str]) -> TestRapids {
    let all = bundled_rivers::services().unwrap();
    let chosen = |service: &&Service| names.contains(&service.name());
    all.iter().filter(chosen).fold(TestRapids::new(), |rapids, service| {
        rapids.service(service.name(), service.rivers().to_vec())
    })
}

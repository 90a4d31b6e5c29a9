//! A server in the secured form as `just secure` makes it: TLS with a certificate for each side, an account for each
//! service, and ids that nobody can guess.

mod console;
mod mirror;
mod moving;
mod rotation;

use std::fs;
use std::path::PathBuf;

use async_nats::{Client, ConnectOptions};
use rapids_client::Config;
use rapids_test::NatsServer;
use tempfile::TempDir;

use crate::bench::{rapids, said};

/// Who runs the server.
pub(crate) const OPERATOR: &str = "ada";

pub(crate) struct Secured {
    // First, because fields drop in order: the server ends before its files are removed.
    server: NatsServer,
    folder: TempDir,
}

impl Secured {
    /// A folder with all that such a server takes: for what is declared, and an operator.
    fn folder(declared: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let declared = format!("{declared}\n[operators.{OPERATOR}]\nrole = \"operator\"\n");
        fs::write(folder.path().join("access.toml"), declared).unwrap();
        let access = |part: &str| {
            let made = said(rapids(&["access", part]).current_dir(&folder));
            assert_eq!(made.code, 0, "{made:?}");
        };
        ["certificates", "keys", "render"].into_iter().for_each(access);
        folder
    }

    pub(crate) fn start(declared: &str) -> Self {
        let folder = Self::folder(declared);
        let server = NatsServer::with_config(&lines(&folder)).unwrap();
        let secured = Self { server, folder };
        let variables = secured.variables(OPERATOR);
        let mut provision = rapids(&["provision", "--secured", "--yes"]);
        let provisioned = said(provision.envs(variables).current_dir(&secured.folder));
        assert_eq!(provisioned.code, 0, "{provisioned:?}");
        secured
    }

    /// Runs `rapids access` with these arguments, and has the server read all anew.
    fn access(&self, arguments: &[&str]) {
        let arguments = [&["access"], arguments].concat();
        let done = said(rapids(&arguments).current_dir(&self.folder));
        assert_eq!(done.code, 0, "{done:?}");
        self.server.reload(&lines(&self.folder)).unwrap();
    }

    /// Has the server lose all that it has stored.
    pub(crate) fn lose_store(&mut self) {
        self.server.kill();
        fs::remove_dir_all(self.server.store()).unwrap();
        self.server.restart().unwrap();
    }

    /// A connection with the key of this name, without the library.
    pub(crate) async fn client(&self, name: &str) -> Client {
        let seed = fs::read_to_string(self.path(&format!("keys/{name}.nk"))).unwrap();
        let options = ConnectOptions::with_nkey(seed.trim().to_owned())
            .add_root_certificates(self.path("tls/ca.pem"))
            .add_client_certificate(self.path("tls/client.pem"), self.path("tls/client.key"));
        options.connect(self.server.url()).await.unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How somebody of this name logs in.
    pub(crate) fn variables(&self, name: &str) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.path(name).display().to_string();
        vec![
            ("NATS_URL", self.server.url()),
            ("NATS_CA", file("tls/ca.pem")),
            ("NATS_CERT", file("tls/client.pem")),
            ("NATS_KEY", file("tls/client.key")),
            ("NATS_NKEY", file(&format!("keys/{name}.nk"))),
        ]
    }

    pub(crate) fn operator(&self) -> Config {
        configured(&self.variables(OPERATOR))
    }

    /// How a program logs in that may create nothing, with these keys for its ids.
    pub(crate) fn program(&self, name: &str, id_keys: Option<&str>) -> Config {
        let mut variables = self.variables(name);
        variables.push(("RAPIDS_PROVISIONED", "1".to_owned()));
        variables.extend(id_keys.map(|keys| ("RAPIDS_ID_KEY", keys.to_owned())));
        configured(&variables)
    }

    /// The key for the ids of a service.
    pub(crate) fn id_key(&self, name: &str) -> String {
        let key = fs::read_to_string(self.path(&format!("keys/{name}.id_key"))).unwrap();
        key.trim().to_owned()
    }
}

/// A server in one of the forms, or several that are one, with how to reach them.
pub(crate) enum Form {
    Simple(NatsServer),
    Secured(Secured),
    Cluster(Vec<NatsServer>, Box<Config>),
}

impl Form {
    pub(crate) fn server(&self) -> &NatsServer {
        match self {
            Self::Simple(server) => server,
            Self::Secured(secured) => &secured.server,
            Self::Cluster(servers, _) => &servers[0],
        }
    }

    pub(crate) fn servers(&self) -> &[NatsServer] {
        match self {
            Self::Cluster(servers, _) => servers,
            Self::Simple(_) | Self::Secured(_) => std::slice::from_ref(self.server()),
        }
    }

    pub(crate) fn operator(&self) -> Config {
        match self {
            Self::Simple(server) => Config::new(server.url()),
            Self::Secured(secured) => secured.operator(),
            Self::Cluster(_, config) => (**config).clone(),
        }
    }

    pub(crate) fn service(&self, name: &str) -> Config {
        match self {
            Self::Simple(server) => Config::new(server.url()),
            Self::Secured(secured) => secured.program(name, Some(&secured.id_key(name))),
            Self::Cluster(_, config) => (**config).clone(),
        }
    }
}

fn configured(variables: &[(&'static str, String)]) -> Config {
    let value = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    Config::from_variables(&value).unwrap()
}

/// What a server is told that has all of this folder: certificates, and the rendered accounts.
pub(crate) fn lines(folder: &TempDir) -> String {
    let tls = folder.path().join("tls");
    let file = |name: &str| tls.join(name).display().to_string();
    let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let accounts = fs::read_to_string(folder.path().join("access.conf")).unwrap();
    format!(
        "tls {{cert_file: '{cert}', key_file: '{key}', ca_file: '{ca}', verify: true, min_version: '1.3'}}\n\
         {accounts}"
    )
}

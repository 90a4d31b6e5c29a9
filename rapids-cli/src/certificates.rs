//! Certificates: an authority, and what it issues to the server and to those who log in.
//!
//! Pure but for the randomness of the keys. The authority is for these two alone; who has one that is
//! trusted elsewhere uses that.

use anyhow::{Context, Result};
use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    /// What its files are called.
    pub(crate) name: &'static str,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// From when and until when certificates are valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) from: Date,
    /// That of the authority, which issues others meanwhile.
    pub(crate) authority_until: Date,
    pub(crate) until: Date,
}

/// Who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
}

impl Authority {
    /// Makes one, and its files.
    ///
    /// # Errors
    /// If the machine gives no randomness.
    pub(crate) fn make(validity: Validity) -> Result<(Self, Issued)> {
        let (params, key) = (Self::params(validity)?, KeyPair::generate()?);
        let certificate = params.self_signed(&key)?.pem();
        let issued = Issued { name: "ca", certificate, key: key.serialize_pem() };
        Ok((Self { issuer: Issuer::new(params, key), validity }, issued))
    }

    /// The one with this key, which [`make`](Self::make) has made.
    ///
    /// # Errors
    /// If it is no key.
    pub(crate) fn of_key(key: &str, validity: Validity) -> Result<Self> {
        let issuer = Issuer::new(Self::params(validity)?, KeyPair::from_pem(key)?);
        Ok(Self { issuer, validity })
    }

    /// Issues one for a server with these names, with which it may connect to others of its cluster, too.
    ///
    /// # Errors
    /// If one of the names can be none.
    pub(crate) fn server(&self, hosts: &[String]) -> Result<Issued> {
        self.issue(
            "server",
            hosts,
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        )
    }

    /// Issues one for whoever logs in.
    ///
    /// # Errors
    /// If the machine gives no randomness.
    pub(crate) fn client(&self) -> Result<Issued> {
        self.issue("client", &[], vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    fn params(validity: Validity) -> Result<CertificateParams> {
        let mut params = named("rapids authority", &[], (validity.from, validity.authority_until))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    }

    fn issue(
        &self,
        name: &'static str,
        hosts: &[String],
        purposes: Vec<ExtendedKeyUsagePurpose>,
    ) -> Result<Issued> {
        let title = format!("rapids {name}");
        let mut params = named(&title, hosts, (self.validity.from, self.validity.until))?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = purposes;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { name, certificate, key: key.serialize_pem() })
    }
}

fn named(title: &str, hosts: &[String], (from, until): (Date, Date)) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts)
        .with_context(|| format!("`{}` cannot all be names of a server", hosts.join("`, `")))?;
    params.distinguished_name.push(DnType::CommonName, title);
    let midnight = |date: Date| {
        let unsigned = |part: i8| u8::try_from(part).expect("months and days are above zero");
        date_time_ymd(date.year().into(), unsigned(date.month()), unsigned(date.day()))
    };
    params.not_before = midnight(from);
    params.not_after = midnight(until);
    Ok(params)
}

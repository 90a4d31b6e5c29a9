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

/// Makes the authority, a certificate for a server with these names, and one for whoever logs in.
///
/// # Errors
/// If one of the names can be none.
pub(crate) fn issue(hosts: &[String], validity: Validity) -> Result<[Issued; 3]> {
    let mut params = named("rapids authority", &[], (validity.from, validity.authority_until))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.pem();
    let authority = Issued { name: "ca", certificate, key: key.serialize_pem() };
    let issuer = Issuer::new(params, key);
    let issued = |name: &'static str, hosts: &[String], purpose| -> Result<Issued> {
        let title = format!("rapids {name}");
        let mut params = named(&title, hosts, (validity.from, validity.until))?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Issued { name, certificate, key: key.serialize_pem() })
    };
    let server = issued("server", hosts, ExtendedKeyUsagePurpose::ServerAuth)?;
    let client = issued("client", &[], ExtendedKeyUsagePurpose::ClientAuth)?;
    Ok([authority, server, client])
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

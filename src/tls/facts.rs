//! The fields of a certificate that decide when it is renewed (RFC 5280, section 4.1).

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use yasna::{ASN1Result, Tag, parse_der};

use super::pem;
use crate::clock::Timestamp;

/// The object identifier of `authorityKeyIdentifier`, 2.5.29.35, in DER.
const AUTHORITY_KEY_IDENTIFIER: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x23];

/// Validity, and what identifies a certificate to its authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The content of the serial number's DER encoding.
    pub serial: Vec<u8>,
    /// `keyIdentifier` of the authority, if the certificate has it.
    pub authority_key: Option<Vec<u8>>,
}

impl Facts {
    /// Reads a PEM file of a chain and its key. `None` unless they are a pair and the certificate has all these names.
    pub fn of_pair(file: &[u8], names: &[String]) -> Option<Facts> {
        let (chain, key) = (pem::certificates(file).ok()?, pem::private_key(file).ok()?);
        let own = chain.first()?.clone();
        CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).ok()?;
        names.iter().all(|name| has_name(&own, name)).then(|| Facts::of(&own))?
    }

    /// Reads a certificate in DER. `None` if it is not one.
    pub fn of(der: &[u8]) -> Option<Facts> {
        let certificate = sequence(der).ok()?;
        let mut fields = sequence(certificate.first()?).ok()?;
        // The version is tagged `[0]` and may be missing.
        if fields.first()?.first() == Some(&0xa0) {
            fields.remove(0);
        }
        let [serial, _, _, validity, _, _, rest @ ..] = &fields[..] else { return None };
        let validity = sequence(validity).ok()?;
        let [not_before, not_after] = &validity[..] else { return None };
        Some(Facts {
            not_before: time(not_before).ok()?,
            not_after: time(not_after).ok()?,
            serial: integer(serial)?,
            authority_key: rest.iter().find_map(|field| authority_key(field).ok()?),
        })
    }
}

fn has_name(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let parsed = ParsedCertificate::try_from(certificate);
    let name = ServerName::try_from(name.to_owned());
    matches!((parsed, name), (Ok(parsed), Ok(name)) if verify_server_name(&parsed, &name).is_ok())
}

/// The elements of a SEQUENCE, each with its header.
fn sequence(der: &[u8]) -> ASN1Result<Vec<Vec<u8>>> {
    parse_der(der, |reader| reader.collect_sequence_of(|reader| reader.read_der()))
}

/// The content of an INTEGER. A serial number has at most 20 bytes, so its length is one byte.
fn integer(der: &[u8]) -> Option<Vec<u8>> {
    match der {
        [0x02, 0..=0x7f, content @ ..] if !content.is_empty() => Some(content.to_vec()),
        _ => None,
    }
}

/// A UTCTime or a GeneralizedTime.
fn time(der: &[u8]) -> ASN1Result<Timestamp> {
    let seconds = match der.first() {
        Some(0x17) => parse_der(der, |reader| reader.read_utctime())?.datetime().unix_timestamp(),
        _ => parse_der(der, |reader| reader.read_generalized_time())?.datetime().unix_timestamp(),
    };
    Ok(Timestamp::from_seconds(seconds))
}

/// The authority's key identifier, if `field` is the list of extensions and has one.
fn authority_key(field: &[u8]) -> ASN1Result<Option<Vec<u8>>> {
    let list = |reader: yasna::BERReader<'_, '_>| reader.collect_sequence_of(|reader| reader.read_der());
    let extensions = parse_der(field, |reader| reader.read_tagged(Tag::context(3), list))?;
    for extension in extensions {
        let parts = sequence(&extension)?;
        if let (Some(name), Some(value)) = (parts.first(), parts.last())
            && name[..] == AUTHORITY_KEY_IDENTIFIER
        {
            let parts = sequence(&parse_der(value, |reader| reader.read_bytes())?)?;
            let Some(first) = parts.first() else { return Ok(None) };
            let key =
                |reader: yasna::BERReader<'_, '_>| reader.read_tagged_implicit(Tag::context(0), |r| r.read_bytes());
            return parse_der(first, key).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, SerialNumber, date_time_ymd};

    use super::*;

    fn made(last_year: i32) -> Vec<u8> {
        let issuer = CertifiedIssuer::self_signed(CertificateParams::default(), KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(last_year, 1, 2);
        params.serial_number = Some(SerialNumber::from(vec![0x00, 0x87, 0x65, 0x43, 0x21]));
        params.use_authority_key_identifier_extension = true;
        params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().to_vec()
    }

    #[test]
    fn validity_and_identifiers_are_read() {
        // The second year needs a GeneralizedTime.
        for (year, seconds) in [(2027, 1_798_848_000), (2055, 2_682_460_800)] {
            let facts = Facts::of(&made(year)).unwrap();
            assert_eq!((facts.not_before.seconds(), facts.not_after.seconds()), (1_767_312_000, seconds));
            assert_eq!(facts.serial, [0x00, 0x87, 0x65, 0x43, 0x21], "the sign is part of it (RFC 9773, section 4.1)");
            assert!(facts.authority_key.is_some_and(|key| !key.is_empty()));
        }
    }

    #[test]
    fn a_certificate_is_usable_with_its_key_and_all_names() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let made = rcgen::generate_simple_self_signed(names(&["a.example", "b.example"])).unwrap();
        let usable = |key: &KeyPair, wanted: &[&str]| {
            let file = key.serialize_pem() + &made.cert.pem();
            Facts::of_pair(file.as_bytes(), &names(wanted)).is_some()
        };
        assert!(usable(&made.signing_key, &["a.example"]) && usable(&made.signing_key, &["b.example", "a.example"]));
        assert!(!usable(&made.signing_key, &["a.example", "c.example"]));
        assert!(!usable(&KeyPair::generate().unwrap(), &["a.example"]), "another key");
    }

    #[test]
    fn what_is_no_certificate_is_nothing() {
        let whole = made(2027);
        for end in 0..whole.len() {
            assert_eq!(Facts::of(&whole[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_panics(at in 0usize..400, byte: u8) {
            let mut der = made(2027);
            let at = at % der.len();
            der[at] = byte;
            let _ = Facts::of(&der);
        }
    }
}

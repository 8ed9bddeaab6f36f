use super::*;

#[test]
fn a_secret_round_trips_through_its_written_form() {
    let secret = Secret::random().unwrap();
    assert_eq!(Secret::parse(&secret.to_whsec()).unwrap(), secret);
    let unpadded = secret.to_whsec().trim_end_matches('=').to_owned();
    assert_eq!(Secret::parse(&format!(" {unpadded}\n")).unwrap(), secret);
}

#[test]
fn white_space_around_a_secret_is_dropped() {
    let secret = Secret::random().unwrap();
    let text = secret.to_whsec();
    for around in [("", "\n"), ("", "\r\n"), ("  ", "\t\n\n"), ("\n", " ")] {
        let (before, after) = around;
        assert_eq!(Secret::parse(&format!("{before}{}{after}", *text)), Ok(secret.clone()), "{around:?}");
    }
}

#[test]
fn what_is_no_secret_is_refused_with_what_is_wrong() {
    let good = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let bare = &good["whsec_".len()..];
    for (text, error) in [
        (String::new(), SecretError::Empty),
        (" \r\n".to_owned(), SecretError::Empty),
        (format!("\u{feff}{good}"), SecretError::Wrapped(Wrapping::ByteOrderMark)),
        (format!("\"{good}\""), SecretError::Wrapped(Wrapping::Quotes)),
        (format!("'{good}'\n"), SecretError::Wrapped(Wrapping::Quotes)),
        (format!("\u{201c}{good}\u{201d}"), SecretError::Wrapped(Wrapping::Quotes)),
        (format!("{good}'"), SecretError::Wrapped(Wrapping::Quotes)),
        (format!("QRGATE_HOOK_SECRET={good}"), SecretError::Wrapped(Wrapping::Name)),
        (format!("export HOOK=\"{good}\""), SecretError::Wrapped(Wrapping::Name)),
        (format!("secret: {good}"), SecretError::Wrapped(Wrapping::Name)),
        (bare.to_owned(), SecretError::NoPrefix),
        ("correct horse battery staple, at least 32".to_owned(), SecretError::NoPrefix),
        ("0123456789abcdef".repeat(4), SecretError::NoPrefix),
        (format!("WHSEC_{bare}"), SecretError::PrefixCase),
        (format!("whsec_{good}"), SecretError::PrefixTwice),
        (BASE64.encode(good.as_bytes()), SecretError::EncodedTwice),
        (format!("{good}\n{good}"), SecretError::WhiteSpace),
        (format!("{good} # the hook's"), SecretError::WhiteSpace),
        (good.replace("DA0O", "DA0\u{200b}O"), SecretError::Invisible('\u{200b}')),
        (good.replace("DA0O", "DA0\0O"), SecretError::Invisible('\0')),
        (good.replace("DA0O", "-A_O"), SecretError::UrlSafe),
        (good.replace("DA0O", "D%0O"), SecretError::Symbol),
        (good.replace("DA0O", "D\u{e4}0O"), SecretError::Symbol),
        (format!("{good}="), SecretError::AfterPadding),
        (format!("{good}AAAA"), SecretError::AfterPadding),
        (good[..good.len() - 3].to_owned(), SecretError::CutOff),
        (good.replace("Hh8=", "Hh9="), SecretError::CutOff),
        ("whsec_".to_owned(), SecretError::TooShort(0)),
        (format!("whsec_{}", BASE64.encode(&[7; 31])), SecretError::TooShort(31)),
    ] {
        assert_eq!(Secret::parse(&text), Err(error), "{text:?}");
    }
}

proptest::proptest! {
    #[test]
    fn only_the_written_form_is_a_secret(text in "\\PC{0,4}(whsec_)?[A-Za-z0-9+/=_ \"-]{30,60}\\PC{0,2}") {
        if let Ok(secret) = Secret::parse(&text) {
            let written = secret.to_whsec();
            let written = written.trim_end_matches('=');
            proptest::prop_assert_eq!(text.trim().trim_end_matches('='), written);
        }
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = Secret::from_bytes(b"0123456789abcdef0123456789abcdef".to_vec());
    assert_eq!(format!("{secret:?}"), "Secret(..)");
}

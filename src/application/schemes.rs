//! Authentication schemes that authenticate a connection, not a request: NTLM and Negotiate (RFC 4559, section 6;
//! MS-NTHT).

/// Whether the value of an `Authorization`, `WWW-Authenticate` or similar field names such a scheme. A comma within a
/// quoted string may look like the start of a challenge, which costs a connection and no more.
pub fn signs_in_connection(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|challenge| {
        let scheme = challenge.trim_ascii_start().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        // Nego2 is a variant of Negotiate.
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"nego"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schemes_that_authenticate_a_connection_are_found_in_any_case_and_in_lists() {
        for value in [
            "NTLM",
            "ntlm TlRMTVNTUAAB",
            "Negotiate",
            "negotiate YII=",
            "Nego2",
            "Basic realm=\"a\", NTLM",
            "Basic realm=\"a, b\",\tNEGOTIATE ,Digest x=y",
            " Ntlm",
        ] {
            assert!(signs_in_connection(value.as_bytes()), "{value}");
        }
        for value in ["", "Basic TlRMTQ==", "Bearer ntlm", "Digest realm=\"NTLM\"", "NTLMv3", "Neg", ",", "Ne\u{e9}go"]
        {
            assert!(!signs_in_connection(value.as_bytes()), "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_scheme_is_found_behind_any_bytes_and_in_any_case(
            before in proptest::collection::vec(any::<u8>(), 0..40),
            upper in any::<[bool; 9]>(),
            ntlm in any::<bool>(),
        ) {
            let scheme: &[u8] = if ntlm { b"ntlm" } else { b"negotiate" };
            let cased = scheme.iter().zip(upper).map(|(byte, upper)| if upper { byte.to_ascii_uppercase() } else { *byte });
            let value: Vec<u8> = before.iter().copied().chain(*b", ").chain(cased).collect();
            prop_assert!(signs_in_connection(&value));
            let without: Vec<u8> = before.iter().copied().filter(|byte| !b"nN".contains(byte)).collect();
            prop_assert!(!signs_in_connection(&without));
        }
    }
}

use std::collections::HashSet;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;

use super::derive::Tampered;
use super::keys::SameKeyId;
use super::*;
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::secret::Secret;
use crate::stay::Stay;

const ISSUED: Timestamp = Timestamp(1_790_000_000_000);

fn secrets(byte: u8) -> TicketSecrets {
    TicketSecrets::new(vec![Secret::from_bytes(vec![byte; 32])]).unwrap()
}

fn origin() -> Origin {
    Origin::parse("https://app.example").unwrap()
}

fn record(shard: u8) -> Record {
    Record {
        user: "ana".to_owned(),
        name: None,
        account_hint: None,
        issued: ISSUED,
        end: Timestamp(ISSUED.0 + 180_000),
        next: None,
        approval: Approval::Number,
        stay: Vec::new(),
        issuer: Party { address: None, label: "Firefox on Linux".to_owned() },
        user_agent: Some(b"Mozilla/5.0 \xff".to_vec()),
        auth_time: None,
        session: "sessionid=abc".to_owned(),
        desk: Desk::random(shard).unwrap(),
    }
}

#[test]
fn a_token_is_a_key_id_a_shard_and_31_random_bytes() {
    let secrets = secrets(1);
    let mut seen = HashSet::new();
    for _ in 0..2_000 {
        let token = Token::mint(secrets.newest().id(), 0xa7).unwrap();
        assert_eq!(token.text().len(), 44);
        assert_eq!((token.key_id(), token.shard()), (secrets.newest().id(), 0xa7));
        assert!(seen.insert(token.text().to_string()), "no duplicate");
        assert_eq!(Token::parse(&token.text()), Some(token));
    }
}

/// Only the one canonical spelling is a token.
#[test]
fn other_spellings_are_no_tokens() {
    let text = "AA-_".repeat(11);
    assert!(Token::parse(&text).is_some());
    for other in [text.replace('-', "+"), text.replace('_', "/"), format!("{text}="), format!("{text}A")] {
        assert_eq!(Token::parse(&other), None, "{other}");
    }
    for other in [&text[..43], &format!("{}=", &text[..43]), "", " ", &format!("{}\n", &text[..43])] {
        assert_eq!(Token::parse(other), None, "{other:?}");
    }
    // 43 characters hold 258 bits: the two spare ones must be zero.
    let canonical = format!("{}A", "A".repeat(42));
    assert!(BrowserId::parse(&canonical).is_some() && Desk::parse(&canonical).is_some());
    for spare in ["B", "C", "D"] {
        let other = format!("{}{spare}", "A".repeat(42));
        assert!(BrowserId::parse(&other).is_none() && Desk::parse(&other).is_none() && View::parse(&other).is_none());
    }
}

#[test]
fn two_secrets_with_one_key_id_are_an_error() {
    let secret = |byte: u8| Secret::from_bytes(vec![byte; 32]);
    assert_eq!(TicketSecrets::new(vec![secret(1), secret(1)]).err(), Some(SameKeyId));
    assert!(TicketSecrets::new(Vec::new()).is_err());
}

/// An older secret opens for as long as it is listed.
#[test]
fn an_older_secret_still_opens_and_an_unknown_one_does_not() {
    let old = secrets(1);
    let token = Token::mint(old.newest().id(), 3).unwrap();
    let both = TicketSecrets::new(vec![Secret::from_bytes(vec![2; 32]), Secret::from_bytes(vec![1; 32])]).unwrap();
    assert_eq!(both.open(&token).unwrap().id(), old.open(&token).unwrap().id());
    assert_eq!(Token::mint(both.newest().id(), 3).unwrap().key_id(), secrets(2).newest().id());
    assert!(secrets(2).open(&token).is_none());
}

/// Token, secret, ticket and origin have to come together.
#[test]
fn a_record_opens_in_its_own_place_only() {
    let secrets = secrets(1);
    let token = Token::mint(secrets.newest().id(), 7).unwrap();
    let opened = secrets.open(&token).unwrap();
    let record = record(7);
    let sealed = opened.for_record(&origin()).seal(&record).unwrap();
    assert!(opened.for_record(&origin()).open(&sealed).unwrap() == record);
    let other = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    assert_eq!(other.for_record(&origin()).open(&sealed), Err(Tampered), "swapped under another id");
    let elsewhere = Origin::parse("https://other.example").unwrap();
    assert_eq!(opened.for_record(&elsewhere).open(&sealed), Err(Tampered), "another origin");
    // Somebody with the token and the store, but a secret of their own with the same key id.
    let forger = (2..=u8::MAX).map(super::tests::secrets).find(|s| s.newest().id() == token.key_id());
    if let Some(opened_by_forger) = forger.and_then(|secrets| secrets.open(&token)) {
        let forged = opened_by_forger.for_record(&origin()).seal(&record).unwrap();
        assert_eq!(opened.for_record(&origin()).open(&forged), Err(Tampered));
        assert_ne!(opened_by_forger.id(), opened.id());
    }
}

#[test]
fn an_answer_needs_token_secret_and_browser() {
    let secrets = secrets(1);
    let opened = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    let (phone, other) = (ClaimKey::random().unwrap(), ClaimKey::random().unwrap());
    let answer = RedeemResponse { cookies: vec![b"a=\xff".to_vec(), Vec::new()], location: "/".to_owned() };
    let sealed = opened.for_response(&phone).seal(&answer).unwrap();
    assert_eq!(opened.for_response(&phone).open(&sealed), Ok(answer));
    assert_eq!(opened.for_response(&other).open(&sealed), Err(Tampered));
    let another = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    assert_eq!(another.for_response(&phone).open(&sealed), Err(Tampered));
}

#[test]
fn the_page_opens_with_its_own_view_only() {
    let secrets = secrets(1);
    let opened = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    let desk = Desk::random(7).unwrap();
    let computer = Party { address: Some([10, 0, 0, 1].into()), label: "Chrome on Windows".to_owned() };
    let facts = PageFacts {
        user: "ana".to_owned(),
        computer,
        phone: None,
        same_network: None,
        next: None,
        lands: None,
        stay: vec![Stay::Browser, Stay::Hours(8)],
        undone: false,
    };
    let sealed = secrets.newest().for_page(&opened.id(), &desk.view()).seal(&facts).unwrap();
    assert_eq!(secrets.newest().for_page(&opened.id(), &desk.view()).open(&sealed), Ok(facts));
    let another = Desk::random(7).unwrap();
    assert_eq!(secrets.newest().for_page(&opened.id(), &another.view()).open(&sealed), Err(Tampered));
    let elsewhere = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap().id();
    assert_eq!(secrets.newest().for_page(&elsewhere, &desk.view()).open(&sealed), Err(Tampered));
    assert_eq!(super::tests::secrets(2).newest().for_page(&opened.id(), &desk.view()).open(&sealed), Err(Tampered));
}

#[test]
fn a_session_opens_for_its_own_page_ticket_and_origin_only() {
    let secrets = secrets(1);
    let key = secrets.newest();
    let [id, elsewhere] = [7, 7].map(|shard| secrets.open(&Token::mint(key.id(), shard).unwrap()).unwrap().id());
    let (desk, another) = (Desk::random(7).unwrap(), Desk::random(7).unwrap());
    let text = |text: &str| text.to_owned();
    let session =
        NewSession { user: text("ana"), name: text("s7"), login_id: text("l"), revoke_id: text("r"), issued: ISSUED };
    let sealed = key.for_session(&id, &desk, &origin()).seal(&session).unwrap();
    assert_eq!(key.for_session(&id, &desk, &origin()).open(&sealed), Ok(session));
    assert_eq!(key.for_session(&id, &another, &origin()).open(&sealed), Err(Tampered));
    assert_eq!(key.for_session(&elsewhere, &desk, &origin()).open(&sealed), Err(Tampered));
    assert_eq!(super::tests::secrets(2).newest().for_session(&id, &desk, &origin()).open(&sealed), Err(Tampered));
    let other_origin = Origin::parse("https://other.example").unwrap();
    assert_eq!(key.for_session(&id, &desk, &other_origin).open(&sealed), Err(Tampered));
    // The weaker capability, taken for the stronger one.
    let view = Desk::parse(&desk.view().text()).unwrap();
    assert_eq!(key.for_session(&id, &view, &origin()).open(&sealed), Err(Tampered));
    assert_eq!(key.for_page(&id, &desk.view()).open(&sealed), Err(Tampered));
}

#[test]
fn the_desk_gives_the_view_and_never_the_reverse() {
    let desk = Desk::random(0x5a).unwrap();
    let view = desk.view();
    assert_eq!(desk.view(), view);
    assert_ne!(*desk.text(), *view.text());
    assert_eq!(view.index().shard, 0x5a);
    let bytes = BASE64URL_NOPAD.decode(view.text().as_bytes()).unwrap();
    assert_eq!(view.index().hash, digest::digest(&digest::SHA256, &bytes).as_ref());
    // A view taken for a desk finds nothing: it has a view of its own.
    assert_ne!(Desk::parse(&view.text()).unwrap().view().index(), view.index());
}

/// Every purpose has its own label, so no value is worth anything for another purpose.
#[test]
fn no_two_purposes_share_a_value() {
    let secrets = secrets(1);
    let token = Token::mint(secrets.newest().id(), 7).unwrap();
    let opened = secrets.open(&token).unwrap();
    let (phone, desk) = (BrowserId::random().unwrap(), Desk::random(7).unwrap());
    let proof = opened.key().form_proof(&opened.id(), &phone, &origin(), ISSUED).unwrap();
    let pressed = opened.key().pressed(&proof, &opened.id(), &phone, &origin(), ISSUED).unwrap();
    let claim_key = opened.key().claim_key(&opened.id(), &phone, &pressed);
    let claim = opened.claim_mac(&claim_key);
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let mut values = vec![
        token.text()[..43].to_owned(),
        phone.text().to_string(),
        desk.text().to_string(),
        desk.view().text().to_string(),
        encode(&desk.view().index().hash),
        encode(&opened.id().id),
        opened.hook_id(),
        opened.revoke_id(),
        proof,
        claim_key.text().to_string(),
        encode(&claim.0.0),
        encode(&opened.number_mac(&claim).0.0),
        encode(&opened.approval_mac(&claim, None).0.0),
        encode(&opened.key().anchor("ana", &phone).0),
        encode(&opened.key().user_hash("ana").0),
    ];
    // None is the beginning of another either.
    values.sort_by_key(String::len);
    for (at, value) in values.iter().enumerate() {
        assert!(!values[at + 1..].iter().any(|longer| longer[..22] == value[..22]), "{value}");
        // None of them is a token, and a token is none of them.
        assert_eq!(Token::parse(value), None);
    }
}

#[test]
fn an_event_opens_under_its_own_secret_and_for_its_own_ticket_only() {
    let (old, new) = (Secret::random().unwrap(), Secret::random().unwrap());
    let before = TicketSecrets::new(vec![old.clone()]).unwrap();
    let (_, opened) = before.newest().mint(7).unwrap();
    let event = EventMessage {
        kind: "ticket.declined".to_owned(),
        ticket: opened.hook_id(),
        user: "ana".to_owned(),
        at: 1_790_000_000,
        reason: Some("number".to_owned()),
        computer: None,
        phone: None,
    };
    let id = opened.id();
    let sealed = before.newest().for_event(&id).seal(&event).unwrap();
    assert!(!sealed.windows(3).any(|window| window == b"ana"));
    assert_eq!(before.open_event(&id, &sealed), Some(event.clone()));
    assert_eq!(event.webhook_id(), format!("{}-declined", opened.hook_id()));
    // While secrets are rotated either opens it. Two of them may have the same key id, by chance.
    if let Ok(both) = TicketSecrets::new(vec![new.clone(), old]) {
        assert_eq!(both.open_event(&id, &sealed), Some(event));
    }
    assert!(TicketSecrets::new(vec![new]).unwrap().open_event(&id, &sealed).is_none());
    let other = TicketId { shard: id.shard, id: [0; 16] };
    assert!(before.open_event(&other, &sealed).is_none());
}

#[test]
fn a_form_proof_is_bound_to_ticket_browser_origin_and_end() {
    let secrets = secrets(1);
    let opened = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    let other = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    let (phone, thief) = (BrowserId::random().unwrap(), BrowserId::random().unwrap());
    let key = opened.key();
    let proof = key.form_proof(&opened.id(), &phone, &origin(), ISSUED).unwrap();
    let holds =
        |text: &str, id: &_, browser: &_, origin: &Origin, end| key.pressed(text, id, browser, origin, end).is_some();
    assert!(holds(&proof, &opened.id(), &phone, &origin(), ISSUED));
    assert!(!holds(&proof, &other.id(), &phone, &origin(), ISSUED));
    assert!(!holds(&proof, &opened.id(), &thief, &origin(), ISSUED));
    let elsewhere = Origin::parse("http://app.example").unwrap();
    assert!(!holds(&proof, &opened.id(), &phone, &elsewhere, ISSUED));
    assert!(!holds(&proof, &opened.id(), &phone, &origin(), Timestamp(ISSUED.0 + 1)));
    for bad in ["", "=", &proof[..42], &format!("{proof}="), &format!("A{}", &proof[1..]), &proof[21..]] {
        assert!(bad == proof || !holds(bad, &opened.id(), &phone, &origin(), ISSUED), "{bad}");
    }
}

#[test]
fn a_claim_key_follows_from_one_form_and_a_planted_browser_cookie_does_not_give_it_away() {
    let secrets = secrets(1);
    let opened = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    let other = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
    let (key, id) = (opened.key(), opened.id());
    // The attacker planted this cookie and sends it as well.
    let planted = BrowserId::random().unwrap();
    let form = || key.form_proof(&id, &planted, &origin(), ISSUED).unwrap();
    let claims_with = |form: &str| {
        let pressed = key.pressed(form, &id, &planted, &origin(), ISSUED).unwrap();
        key.claim_key(&id, &planted, &pressed)
    };
    let (victims, attackers) = (form(), form());
    assert_eq!(claims_with(&victims), claims_with(&victims), "a form that is sent twice claims once");
    assert_ne!(claims_with(&victims), claims_with(&attackers));
    let claim_key = claims_with(&victims);
    assert!(key.made_claim_key(&id, &claim_key));
    assert!(!key.made_claim_key(&other.id(), &claim_key), "each ticket has its own");
    assert!(!key.made_claim_key(&id, &ClaimKey::random().unwrap()));
    assert!(!key.made_claim_key(&id, &ClaimKey::parse(&planted.text()).unwrap()));
    assert_eq!(ClaimKey::parse(&claim_key.text()), Some(claim_key));
}

#[test]
fn numbers_have_two_digits_and_follow_from_token_and_claim() {
    let secrets = secrets(1);
    let mut seen = HashSet::new();
    for _ in 0..3_000 {
        let opened = secrets.open(&Token::mint(secrets.newest().id(), 7).unwrap()).unwrap();
        let claim = opened.claim_mac(&ClaimKey::random().unwrap());
        let number = opened.number(&claim);
        assert!((10..=99).contains(&number));
        assert_eq!(number, opened.number(&claim));
        assert_eq!(opened.number_mac(&claim), opened.key().number_mac(&opened.id(), &claim, number));
        seen.insert(number);
    }
    assert_eq!(seen.len(), 90, "every number comes up");
}

#[test]
fn anchors_tell_users_and_browsers_apart() {
    let secrets = secrets(1);
    let (one, two) = (BrowserId::random().unwrap(), BrowserId::random().unwrap());
    let key = secrets.newest();
    assert_eq!(key.anchor("ana", &one), key.anchor("ana", &one));
    assert_ne!(key.anchor("ana", &one), key.anchor("ana", &two));
    assert_ne!(key.anchor("ana", &one), key.anchor("bob", &one));
}

#[test]
fn nothing_secret_prints_itself() {
    let secrets = secrets(1);
    let token = Token::mint(secrets.newest().id(), 7).unwrap();
    let opened = secrets.open(&token).unwrap();
    let (phone, record) = (ClaimKey::random().unwrap(), record(7));
    let shown = format!("{token:?} {phone:?} {record:?} {:?} {secrets:?}", record.desk);
    for secret in [token.text().as_str(), &phone.text(), &record.desk.text(), "ana", "sessionid"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(!format!("{:?}", opened.claim_mac(&phone)).contains(|c: char| c.is_ascii_digit()));
}

proptest! {
    /// Whatever parses is spelled exactly as it is given back.
    #[test]
    fn there_are_no_spare_spellings(text in "[A-Za-z0-9_+/=-]{42,45}") {
        if let Some(token) = Token::parse(&text) {
            prop_assert_eq!(&*token.text(), &text);
        }
        if let Some(browser) = BrowserId::parse(&text) {
            prop_assert_eq!(&*browser.text(), &text);
        }
        if let Some(view) = View::parse(&text) {
            prop_assert_eq!(&*view.text(), &text);
        }
    }

    #[test]
    fn no_text_breaks_a_parser(text in ".{0,60}") {
        let _ = (Token::parse(&text), BrowserId::parse(&text), Desk::parse(&text), View::parse(&text));
    }
}

#[test]
fn a_code_to_type_opens_its_token_under_its_own_secret_code_and_origin_only() {
    let (mine, other) = (secrets(1), secrets(2));
    let (key, code) = (mine.newest(), TypedCode::parse("BCDF-GHJK").unwrap());
    let token = Token::mint(key.id(), 7).unwrap();
    let sealed = key.seal_token(&code, &token, &origin()).unwrap();
    assert_eq!(key.open_token(&code, &sealed, &origin()).unwrap(), token);
    let elsewhere = Origin::parse("https://other.example").unwrap();
    assert_eq!(key.open_token(&code, &sealed, &elsewhere), Err(Tampered));
    assert_eq!(other.newest().open_token(&code, &sealed, &origin()), Err(Tampered));
    // A row that was put in the place of another one.
    assert_eq!(key.open_token(&TypedCode::parse("BCDF-GHJL").unwrap(), &sealed, &origin()), Err(Tampered));
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(key.open_token(&code, &changed, &origin()), Err(Tampered), "{at}");
    }
}

#[test]
fn the_store_learns_neither_code_nor_token() {
    let (key, code) = (secrets(1).newest().clone(), TypedCode::parse("BCDF-GHJK").unwrap());
    let hash = key.code_hash(&code);
    assert_ne!(hash, secrets(2).newest().code_hash(&code), "keyed");
    assert_ne!(hash.0[..], *digest::digest(&digest::SHA256, b"BCDFGHJK").as_ref());
    let token = Token::mint(key.id(), 7).unwrap();
    let sealed = key.seal_token(&code, &token, &origin()).unwrap();
    for secret in [token.text().as_bytes(), b"BCDFGHJK".as_slice()] {
        assert!(!sealed.windows(secret.len()).any(|part| part == secret));
    }
}

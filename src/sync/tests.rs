#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::expect_used)]

use super::manifest::{ManifestPayload, RawEntry};
use super::root::{RawRole, RawRoles, RootPayload};
use super::update::{Slot, Stored};
use super::*;
use crate::codec::{frame, hex, unhex};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use curve25519_dalek::Scalar;
use ed25519_dalek::{Signature, Signer, SigningKey};
use proptest::prelude::*;
use sha2::{Digest, Sha256, Sha512};

const ENGINE: EngineVersion = EngineVersion(0, 1, 0);
const READER: u64 = 7;

fn secret(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn id(key: &SigningKey) -> String {
    key_id(&key.verifying_key().to_bytes())
}

fn unhexed(text: &str) -> Vec<u8> {
    let mut bytes = vec![0; text.len() / 2];
    assert!(unhex(text, &mut bytes));
    bytes
}

fn sign(context: Context, payload: &str, key: &SigningKey) -> RawSignature {
    let sig = key.sign(&signed_bytes(context, payload)).to_bytes();
    RawSignature { key: id(key), sig: hex(&sig) }
}

fn sealed(context: Context, payload: String, keys: &[&SigningKey]) -> Vec<u8> {
    let signatures = keys.iter().map(|key| sign(context, &payload, key)).collect();
    serde_json::to_vec(&Envelope { payload, signatures }).unwrap()
}

fn root_payload(version: u64, root: &[&SigningKey], manifest: &[&SigningKey], threshold: usize) -> RootPayload {
    let listed = |key: &&SigningKey| (id(key), hex(&key.verifying_key().to_bytes()));
    let role = |keys: &[&SigningKey], threshold| RawRole { keys: keys.iter().map(|key| id(key)).collect(), threshold };
    RootPayload {
        version,
        keys: root.iter().chain(manifest).map(listed).collect(),
        roles: RawRoles { root: role(root, root.len()), manifest: role(manifest, threshold) },
    }
}

fn root_file(payload: &RootPayload, keys: &[&SigningKey]) -> Vec<u8> {
    sealed(Context::Root, serde_json::to_string(payload).unwrap(), keys)
}

/// Root key 1; manifest keys 2, 3 and 4, of which `threshold` must sign.
fn root(threshold: usize) -> Root {
    static ROOTS: [std::sync::OnceLock<Root>; 2] = [const { std::sync::OnceLock::new() }; 2];
    ROOTS[threshold - 1].get_or_init(|| new_root(threshold)).clone()
}

fn new_root(threshold: usize) -> Root {
    let payload = root_payload(1, &[&secret(1)], &[&secret(2), &secret(3), &secret(4)], threshold);
    Root::embedded(&root_file(&payload, &[&secret(1)])).unwrap()
}

fn entry(bytes: &[u8], share: u16) -> RawEntry {
    let sha256 = hex(&Sha256::digest(bytes));
    let path = format!("bundles/{sha256}.safetensors");
    RawEntry { path, length: bytes.len() as u64, sha256, share, min_engine: "0.1.0".into(), deltas: Vec::new() }
}

fn payload(version: u64, bundles: Vec<RawEntry>) -> ManifestPayload {
    let (space, min_engine) = ("shop".into(), "0.1.0".into());
    ManifestPayload { space, version, created_ms: 0, expires_ms: 1000, min_engine, bundles }
}

fn manifest(payload: &ManifestPayload) -> Vec<u8> {
    sealed(Context::Manifest, serde_json::to_string(payload).unwrap(), &[&secret(2)])
}

fn verify(bytes: &[u8], threshold: usize) -> Result<VerifiedManifest, SyncError> {
    verify_manifest(bytes, &root(threshold), "shop", 5, 500, ENGINE)
}

fn code(bytes: &[u8]) -> &'static str {
    verify(bytes, 1).unwrap_err().code()
}

fn changed(change: impl FnOnce(&mut ManifestPayload)) -> Vec<u8> {
    let mut payload = payload(5, vec![entry(b"a", 1000)]);
    change(&mut payload);
    manifest(&payload)
}

#[test]
fn a_signed_manifest_is_taken_at_the_floor_and_above() {
    for version in [5, 6, MOST_INTEGER] {
        assert_eq!(verify(&changed(|payload| payload.version = version), 1).unwrap().version(), version);
    }
}

#[test]
fn every_refusal_has_its_own_code() {
    assert_eq!(code(&changed(|payload| payload.version = 4)), "ROLLBACK");
    assert_eq!(code(&changed(|payload| payload.expires_ms = 500)), "EXPIRED");
    assert_eq!(code(&changed(|payload| payload.space = "school".into())), "WRONG_SPACE");
    assert_eq!(code(&changed(|payload| payload.min_engine = "0.1.1".into())), "ENGINE_TOO_OLD");
    assert_eq!(code(&changed(|payload| payload.bundles[0].length = 5 << 20)), "BUNDLE_OVERSIZED");
    assert_eq!(code(&vec![b' '; MOST_FILE_BYTES + 1]), "MANIFEST_OVERSIZED");
    assert_eq!(code(b"{}"), "MANIFEST_MALFORMED");
    assert_eq!(code("[".repeat(60_000).as_bytes()), "MANIFEST_MALFORMED");
    for byte in 0..=255 {
        assert_eq!(code(&[byte]), "MANIFEST_MALFORMED");
    }
}

#[test]
fn a_payload_that_asks_for_something_odd_is_refused() {
    let malformed = |change: fn(&mut ManifestPayload)| assert_eq!(code(&changed(change)), "MANIFEST_MALFORMED");
    malformed(|payload| payload.bundles.clear());
    malformed(|payload| payload.bundles[0].path = "bundles/../secret".into());
    malformed(|payload| payload.bundles[0].path = "https://elsewhere/x.safetensors".into());
    malformed(|payload| payload.bundles[0].sha256 = payload.bundles[0].sha256.to_uppercase());
    malformed(|payload| payload.bundles[0].share = 999);
    malformed(|payload| payload.bundles[0].share = 875);
    malformed(|payload| payload.bundles = vec![entry(b"a", 500), entry(b"b", 625)]);
    malformed(|payload| payload.bundles = (0..9).map(|i| entry(&[i], if i < 8 { 125 } else { 0 })).collect());
    malformed(|payload| payload.min_engine = "0.1".into());
    malformed(|payload| payload.version = MOST_INTEGER + 1);
}

#[test]
fn a_manifest_cut_at_any_byte_is_refused() {
    let bytes = changed(|_| ());
    for cut in 0..bytes.len() {
        assert_eq!(code(&bytes[..cut]), "MANIFEST_MALFORMED", "cut at {cut}");
    }
}

#[test]
fn a_forged_payload_or_signature_is_refused() {
    let good = Envelope::open(&changed(|_| ())).unwrap();
    let mut forged = good.clone();
    forged.payload = forged.payload.replace("\"version\":5", "\"version\":6");
    assert_ne!(forged.payload, good.payload);
    assert_eq!(code(&serde_json::to_vec(&forged).unwrap()), "SIGNATURE");
    let sig = unhexed(&good.signatures[0].sig);
    for at in 0..64 {
        let mut bytes = sig.clone();
        bytes[at] ^= 1;
        let mut forged = good.clone();
        forged.signatures[0].sig = hex(&bytes);
        assert_eq!(code(&serde_json::to_vec(&forged).unwrap()), "SIGNATURE", "byte {at}");
    }
    let mut short = good;
    short.signatures[0].sig = hex(&sig[..63]);
    assert_eq!(code(&serde_json::to_vec(&short).unwrap()), "SIGNATURE");
}

#[test]
fn a_signature_of_another_context_or_role_does_not_count() {
    let text = serde_json::to_string(&payload(5, vec![entry(b"a", 1000)])).unwrap();
    assert_eq!(code(&sealed(Context::Root, text.clone(), &[&secret(2)])), "SIGNATURE");
    assert_eq!(code(&sealed(Context::Manifest, text.clone(), &[&secret(1)])), "SIGNATURE");
    assert_eq!(code(&sealed(Context::Manifest, text.clone(), &[&secret(9)])), "SIGNATURE");
    assert_eq!(code(&sealed(Context::Manifest, text, &[])), "SIGNATURE");
}

#[test]
fn the_threshold_counts_distinct_keys() {
    let text = serde_json::to_string(&payload(5, vec![entry(b"a", 1000)])).unwrap();
    let of = |keys: &[&SigningKey]| verify(&sealed(Context::Manifest, text.clone(), keys), 2);
    let too_few = SyncError::Signature { valid: 1, threshold: 2 };
    assert_eq!(of(&[&secret(2)]).unwrap_err(), too_few);
    assert_eq!(of(&[&secret(2), &secret(2), &secret(2)]).unwrap_err(), too_few);
    assert_eq!(of(&[&secret(2), &secret(1), &secret(9)]).unwrap_err(), too_few);
    assert!(of(&[&secret(4), &secret(9), &secret(2)]).is_ok());
}

#[test]
fn seventeen_signatures_are_refused_and_sixteen_are_not() {
    let text = serde_json::to_string(&payload(5, vec![entry(b"a", 1000)])).unwrap();
    let key = secret(2);
    assert!(verify(&sealed(Context::Manifest, text.clone(), &[&key; 16]), 1).is_ok());
    assert_eq!(code(&sealed(Context::Manifest, text, &[&key; 17])), "MANIFEST_MALFORMED");
}

/// The encodings of points of small order from Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", SSR 2020, table 1:
/// a signature by such a key holds for many messages at once.
#[test]
fn keys_of_small_order_are_refused() {
    let eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let other = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let one = "0100000000000000000000000000000000000000000000000000000000000000";
    for text in [eight, other, one] {
        let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
        let mut payload = root_payload(1, &[&secret(1)], &[&secret(2)], 1);
        let weak = key_id(&bytes.clone().try_into().unwrap());
        payload.keys.insert(weak.clone(), hex(&bytes));
        payload.roles.manifest.keys.push(weak);
        let error = Root::embedded(&root_file(&payload, &[&secret(1)])).unwrap_err();
        assert!(error.to_string().contains("small order"), "{error}");
    }
}

/// Adding the group order to `s` gives the same equation: RFC 8032, section 5.1.7, wants `s` below the order.
#[test]
fn a_signature_made_longer_by_the_group_order_is_refused() {
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut envelope = Envelope::open(&changed(|_| ())).unwrap();
    let mut sig = unhexed(&envelope.signatures[0].sig);
    let mut carry = 0u16;
    for (byte, add) in sig[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    envelope.signatures[0].sig = hex(&sig);
    assert_eq!(code(&serde_json::to_vec(&envelope).unwrap()), "SIGNATURE");
}

/// Whoever has the key can sign with the neutral element as `R`: with `s = k·a` the equation `sB = R + kA` holds, and such
/// signatures are what the loose and the strict verifier disagree about.
#[test]
fn a_signature_whose_point_is_of_small_order_is_refused() {
    let mut envelope = Envelope::open(&changed(|_| ())).unwrap();
    let key = secret(2);
    let message = signed_bytes(Context::Manifest, &envelope.payload);
    let mut sig = [0; 64];
    sig[0] = 1;
    let hashed =
        Sha512::new().chain_update(&sig[..32]).chain_update(key.verifying_key()).chain_update(&message).finalize();
    let k = Scalar::from_bytes_mod_order_wide(&hashed.into());
    sig[32..].copy_from_slice((k * key.to_scalar()).as_bytes());
    let loose = ed25519_dalek::Verifier::verify(&key.verifying_key(), &message, &Signature::from_bytes(&sig));
    assert!(loose.is_ok(), "the test must make a signature that a loose verifier takes");
    envelope.signatures[0].sig = hex(&sig);
    assert_eq!(code(&serde_json::to_vec(&envelope).unwrap()), "SIGNATURE");
}

#[test]
fn a_root_that_contradicts_itself_is_refused() {
    let said = |change: fn(&mut RootPayload)| {
        let mut payload = root_payload(1, &[&secret(1)], &[&secret(2), &secret(3)], 1);
        change(&mut payload);
        Root::embedded(&root_file(&payload, &[&secret(1)])).unwrap_err().to_string()
    };
    assert!(said(|payload| payload.roles.manifest.threshold = 0).contains("threshold"));
    assert!(said(|payload| payload.roles.manifest.threshold = 3).contains("threshold"));
    assert!(said(|payload| payload.roles.manifest.keys[1] = payload.roles.manifest.keys[0].clone()).contains("twice"));
    assert!(said(|payload| payload.roles.manifest.keys[0] = "00".repeat(16)).contains("not listed"));
    assert!(said(|payload| payload.version = 0).contains("version"));
    // One key under two ids would meet a threshold of two alone.
    let second = said(|payload| {
        let key = payload.keys.values().next().unwrap().clone();
        payload.keys.insert("00".repeat(16), key);
    });
    assert!(second.contains("hash of its key"), "{second}");
}

#[test]
fn a_root_is_followed_only_when_old_and_new_have_signed() {
    let first = root(1);
    let second = root_payload(2, &[&secret(7)], &[&secret(8)], 1);
    let by = |payload: &RootPayload, keys: &[&SigningKey]| first.next(&root_file(payload, keys));
    assert_eq!(by(&second, &[&secret(1), &secret(7)]).unwrap().version(), 2);
    assert_eq!(by(&second, &[&secret(1)]).unwrap_err().code(), "SIGNATURE");
    assert_eq!(by(&second, &[&secret(7)]).unwrap_err().code(), "SIGNATURE");
    for version in [1, 3] {
        let skipped = RootPayload { version, ..second.clone() };
        assert_eq!(
            by(&skipped, &[&secret(1), &secret(7)]).unwrap_err(),
            SyncError::Rollback { offered: version, floor: 2 }
        );
    }
    let followed = by(&second, &[&secret(1), &secret(7)]).unwrap();
    let old = changed(|_| ());
    assert_eq!(verify_manifest(&old, &followed, "shop", 0, 500, ENGINE).unwrap_err().code(), "SIGNATURE");
}

#[test]
fn arms_take_their_share_in_eighths() {
    let two = changed(|payload| payload.bundles = vec![entry(b"a", 875), entry(b"b", 125), entry(b"c", 0)]);
    let two = verify(&two, 1).unwrap();
    let taken: Vec<u16> = (0..8).map(|arm| select_bundle(&two, arm).share).collect();
    assert_eq!(taken, [875, 875, 875, 875, 875, 875, 875, 125]);
    let eight = changed(|payload| payload.bundles = (0..8).map(|i| entry(&[i], 125)).collect());
    let eight = verify(&eight, 1).unwrap();
    let mut paths: Vec<&str> = (0..8).map(|arm| select_bundle(&eight, arm).path.as_str()).collect();
    paths.dedup();
    assert_eq!(paths.len(), 8);
}

fn update() -> Update {
    Update::new(Ledger::new(0), root(1), "shop", ENGINE, READER, 0)
}

fn take(bytes: &[u8]) -> Result<Vec<u8>, SyncError> {
    Ok(bytes.to_vec())
}

fn install(update: &mut Update, version: u64, bundle: &[u8]) -> Vec<Op> {
    let offered = manifest(&payload(version, vec![entry(bundle, 1000)]));
    assert!(matches!(update.on_manifest(&offered, 500).unwrap(), Next::Fetch { .. }));
    update.take_ops();
    assert_eq!(update.on_bundle(bundle, take).unwrap(), bundle);
    update.take_ops()
}

#[test]
fn bundles_take_turns_and_are_written_before_the_ledger_names_them() {
    let mut update = update();
    let first = install(&mut update, 1, b"one");
    assert_eq!((first[0].name, first[0].bytes.as_slice()), ("bundle-0", b"one".as_slice()));
    assert_eq!(first[1].name, "sync-0");
    let second = install(&mut update, 2, b"two");
    assert_eq!((second[0].name, second[1].name), ("bundle-1", "sync-0"));
    assert_eq!(install(&mut update, 3, b"three")[0].name, "bundle-0");
    assert_eq!(update.version(), 3);
    assert_eq!(update.ledger().last_known_good.unwrap().version, 2);
    let again = manifest(&payload(4, vec![entry(b"three", 1000)]));
    assert_eq!(update.on_manifest(&again, 500).unwrap(), Next::Current);
    assert_eq!(update.version(), 4);
}

#[test]
fn a_refused_bundle_leaves_the_last_good_one() {
    let mut update = update();
    install(&mut update, 1, b"one");
    assert_eq!(update.on_bundle(b"x", take).unwrap_err().code(), "BAD_ARGUMENT");
    update.on_manifest(&manifest(&payload(2, vec![entry(b"two", 1000)])), 500).unwrap();
    update.take_ops();
    assert_eq!(update.on_bundle(b"tw", take).unwrap_err().code(), "BUNDLE_LENGTH");
    assert_eq!(update.on_bundle(b"tvo", take).unwrap_err().code(), "BUNDLE_HASH");
    assert_eq!((update.version(), update.take_ops()), (1, vec![]));
    assert!(update.on_bundle(b"two", take).is_ok(), "a second fetch may succeed");
}

/// Copies the first `same` bytes of its base, and tells the rest.
fn delta(same: u8, rest: &[u8]) -> Vec<u8> {
    [b"ZJD1", &[same * 2, 0, rest.len() as u8 * 2 + 1][..], rest].concat()
}

#[test]
fn a_delta_makes_the_bundle_that_was_signed_or_nothing() {
    let mut update = update();
    install(&mut update, 1, b"one and more");
    let mut next = entry(b"one and all", 1000);
    let base = Sha256::digest(b"one and more");
    next.deltas = vec![hex(&[7; 32]), hex(&base)];
    let offered = manifest(&payload(2, vec![next.clone()]));
    let Next::Fetch { delta: Some(way), .. } = update.on_manifest(&offered, 500).unwrap() else { panic!("no delta") };
    assert_eq!((way.base, way.path), ("bundle-0", format!("deltas/{}-{}.delta", hex(&base), next.sha256)));
    update.take_ops();
    for (base, bytes, code) in [
        (&b"one and more"[..], delta(8, b"old"), "BUNDLE_HASH"),
        (b"one and more", delta(8, b"alls"), "BUNDLE_LENGTH"),
        (b"one and more", delta(13, b"all"), "BUNDLE_HASH"),
        (b"one and more", b"ZJD2".to_vec(), "BUNDLE_HASH"),
        (b"one", delta(8, b"all"), "BUNDLE_HASH"),
    ] {
        assert_eq!(update.on_delta(base, &bytes, take).unwrap_err().code(), code);
    }
    assert_eq!((update.version(), update.take_ops()), (1, vec![]));
    assert_eq!(update.on_delta(b"one and more", &delta(8, b"all"), take).unwrap(), b"one and all");
    assert_eq!((update.version(), update.take_ops()[0].name), (2, "bundle-1"));
}

#[test]
fn a_delta_of_a_bundle_that_is_not_live_is_passed_over() {
    let mut update = update();
    install(&mut update, 1, b"one");
    let mut next = entry(b"two", 1000);
    next.deltas = vec![hex(&[7; 32])];
    let Next::Fetch { delta: None, .. } = update.on_manifest(&manifest(&payload(2, vec![next])), 500).unwrap() else {
        panic!("a delta from nowhere")
    };
    let code = |bytes: &[u8]| verify(bytes, 1).unwrap_err().code();
    assert_eq!(code(&changed(|payload| payload.bundles[0].deltas = vec!["x".into()])), "MANIFEST_MALFORMED");
    assert!(verify(&changed(|payload| payload.bundles[0].deltas = vec![hex(&[1; 32]); 99]), 1).is_ok());
}

#[test]
fn hostile_deltas_end() {
    let most = 1 << 10;
    let apply = |commands: &[u8]| super::delta::apply_delta(&[0; 64], &[b"ZJD1", commands].concat(), most);
    assert_eq!(apply(&[]).unwrap(), b"");
    assert!(apply(&[0x80; 12]).is_err(), "a number without an end");
    assert!(apply(&[&[0xff; 9][..], &[1], &[0]].concat()).is_err(), "a length beyond the address space");
    assert!(apply(&[2, 1]).is_err(), "a place before the beginning");
    assert!(apply(&[128 + 2, 1, 0]).is_err(), "a copy beyond the end");
    // Sixteen copies of 64 bytes fill the room, one more is refused.
    let copy = |times: usize| [&[128, 1, 0][..], &[128, 1, 127].repeat(times - 1)].concat();
    assert_eq!(apply(&copy(16)).unwrap().len(), most);
    assert!(apply(&copy(17)).is_err());
}

#[test]
fn a_bundle_refused_for_its_contents_is_not_asked_for_again() {
    let offer = |update: &mut Update, version, bundle: &[u8]| {
        update.on_manifest(&manifest(&payload(version, vec![entry(bundle, 1000)])), 500)
    };
    let mut update = update();
    install(&mut update, 1, b"one");
    offer(&mut update, 2, b"two").unwrap();
    update.take_ops();
    let refused = update.on_bundle(b"two", |_| Err::<(), _>(SyncError::WrongSpace));
    assert_eq!(refused.unwrap_err().code(), "WRONG_SPACE");
    assert_eq!(update.version(), 1);
    let stored = Ledger::decode(&update.take_ops()[0].bytes).unwrap();
    let start = |reader| Update::new(stored.clone(), root(1), "shop", ENGINE, reader, 0);
    for mut restarted in [update, start(READER)] {
        assert_eq!(offer(&mut restarted, 3, b"two").unwrap(), Next::Current);
        assert_eq!(restarted.on_bundle(b"two", take).unwrap_err().code(), "BAD_ARGUMENT");
        assert!(matches!(offer(&mut restarted, 4, b"three").unwrap(), Next::Fetch { .. }));
    }
    let another = offer(&mut start(READER + 1), 3, b"two").unwrap();
    assert!(matches!(another, Next::Fetch { .. }), "another schema or engine may take it");
}

#[test]
fn followed_roots_are_stored_and_followed_again() {
    let second = root_file(&root_payload(2, &[&secret(7)], &[&secret(8)], 1), &[&secret(1), &secret(7)]);
    let third = root_file(&root_payload(3, &[&secret(7)], &[&secret(9)], 1), &[&secret(7)]);
    let mut update = update();
    assert_eq!(update.on_root(&third).unwrap_err().code(), "SIGNATURE");
    assert_eq!((update.root_version(), update.take_ops()), (1, vec![]));
    assert_eq!((update.on_root(&second), update.on_root(&third)), (Ok(2), Ok(3)));
    let ops = update.take_ops();
    assert!(ops.iter().all(|op| op.name == "root"));
    let stored = &ops[1].bytes;
    let start = |embedded: Root, bytes: &[u8]| {
        let mut update = Update::new(Ledger::new(0), embedded, "shop", ENGINE, READER, 0);
        update.open_root(bytes);
        update.root_version()
    };
    assert_eq!(start(root(1), stored), 3);
    let released = root(1).next(&second).unwrap();
    assert_eq!(start(released, stored), 3, "a release with the second root goes on to the third");
    for cut in 0..stored.len() {
        assert_eq!(start(root(1), &stored[..cut]), if cut < ops[0].bytes.len() { 1 } else { 2 }, "cut at {cut}");
    }
    let mut forged = frame(&second).unwrap();
    forged.extend(frame(&root_file(&root_payload(3, &[&secret(5)], &[&secret(5)], 1), &[&secret(5)])).unwrap());
    assert_eq!(start(root(1), &forged), 2, "what lies on the disk is worth no more than what comes from the network");
    update.save_all();
    assert_eq!(update.take_ops().last().map(|op| (op.name, op.bytes.clone())), Some(("root", stored.clone())));
}

#[test]
fn a_refused_manifest_leaves_the_ledger_and_asks_for_nothing() {
    let mut update = update();
    install(&mut update, 3, b"one");
    let before = update.ledger().clone();
    let older = manifest(&payload(2, vec![entry(b"two", 1000)]));
    assert_eq!(update.on_manifest(&older, 500).unwrap_err().code(), "ROLLBACK");
    let late = manifest(&payload(4, vec![entry(b"two", 1000)]));
    assert_eq!(update.on_manifest(&late, 1000).unwrap_err().code(), "EXPIRED");
    assert_eq!(update.take_ops(), vec![]);
    assert_eq!(update.ledger(), &before);
    assert_eq!(update.on_bundle(b"two", take).unwrap_err().code(), "BAD_ARGUMENT");
    assert!(!update.is_stale(999) && update.is_stale(1000));
}

#[test]
fn the_floor_rises_with_the_manifest_and_with_the_code_package() {
    let mut update = update();
    update.on_manifest(&manifest(&payload(9, vec![entry(b"two", 1000)])), 500).unwrap();
    let ops = update.take_ops();
    let stored = Ledger::open(None, Some(&ops[0].bytes)).unwrap();
    assert_eq!(stored.floor, 9);
    let mut restarted = Update::new(stored, root(1), "shop", ENGINE, READER, 12);
    let eleven = manifest(&payload(11, vec![entry(b"two", 1000)]));
    assert_eq!(restarted.on_manifest(&eleven, 500).unwrap_err(), SyncError::Rollback { offered: 11, floor: 12 });
}

#[test]
fn a_bundle_for_a_newer_engine_is_not_fetched() {
    let mut newer = entry(b"two", 1000);
    newer.min_engine = "0.2.0".into();
    let error = update().on_manifest(&manifest(&payload(1, vec![newer])), 500).unwrap_err();
    assert_eq!(error, SyncError::EngineTooOld { needed: EngineVersion(0, 2, 0) });
}

#[test]
fn a_restart_opens_the_live_bundle_or_the_one_before() {
    let mut update = update();
    install(&mut update, 1, b"one");
    install(&mut update, 2, b"two");
    let start = |zero: Option<&[u8]>, one: Option<&[u8]>| {
        let mut update = update.clone();
        let opened = update.open_stored(zero, one, take);
        (opened.map(|opened| (opened.loaded, opened.version, opened.fell_back)), update.version())
    };
    assert_eq!(start(Some(b"one"), Some(b"two")), (Some((b"two".to_vec(), 2, false)), 2));
    assert_eq!(start(Some(b"one"), Some(b"twx")), (Some((b"one".to_vec(), 1, true)), 1));
    assert_eq!(start(Some(b"one"), None), (Some((b"one".to_vec(), 1, true)), 1));
    assert_eq!(start(None, Some(b"tw")), (None, 0));
}

#[test]
fn a_kill_between_any_two_writes_leaves_a_good_bundle() {
    let mut update = update();
    let mut disk = alloc::collections::BTreeMap::<&str, Vec<u8>>::new();
    let bundles: Vec<Vec<u8>> = (0..4u8).map(|n| vec![n; 8]).collect();
    for (version, bundle) in (1..).zip(&bundles) {
        update.on_manifest(&manifest(&payload(version, vec![entry(bundle, 1000)])), 500).unwrap();
        update.on_bundle(bundle, take).unwrap();
        for op in update.take_ops() {
            for cut in 0..=op.bytes.len() {
                let mut torn = disk.clone();
                torn.insert(op.name, op.bytes[..cut].to_vec());
                let slot = |name: &str| torn.get(name).map(Vec::as_slice);
                let ledger = Ledger::open(slot("sync-0"), slot("sync-1"));
                let Some(ledger) = ledger else {
                    assert_eq!(version, 1, "a ledger was lost");
                    continue;
                };
                let mut restarted = Update::new(ledger, root(1), "shop", ENGINE, READER, 0);
                let opened = restarted.open_stored(slot("bundle-0"), slot("bundle-1"), take);
                if version > 1 {
                    let found = opened.expect("a good bundle").version;
                    assert!(found == version || found == version - 1, "{found} after a kill while {version} came");
                }
            }
            disk.insert(op.name, op.bytes);
        }
    }
}

#[test]
fn the_newer_whole_slot_of_the_ledger_wins() {
    let mut update = update();
    update.save();
    update.save();
    let ops = update.take_ops();
    assert_eq!((ops[0].name, ops[1].name), ("sync-1", "sync-0"));
    let (old, new) = (ops[0].bytes.as_slice(), ops[1].bytes.as_slice());
    assert_eq!(Ledger::open(Some(new), Some(old)), Ledger::decode(new).ok());
    assert_eq!(Ledger::open(Some(old), Some(new)), Ledger::decode(new).ok());
    for cut in 0..new.len() {
        assert_eq!(Ledger::open(Some(&new[..cut]), Some(old)), Ledger::decode(old).ok());
    }
    assert_eq!(Ledger::open(None, None), None);
}

#[test]
fn engine_versions_are_three_plain_numbers() {
    assert_eq!(EngineVersion::parse("0.10.2"), Some(EngineVersion(0, 10, 2)));
    assert!(EngineVersion(0, 10, 0) > EngineVersion(0, 9, 9));
    for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "+1.2.3", "1..3", "1.2.99999999999"] {
        assert_eq!(EngineVersion::parse(text), None, "{text}");
    }
    assert_ne!(EngineVersion::current(), EngineVersion(0, 0, 0));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        prop_assert!(verify(&bytes, 1).is_err());
        prop_assert!(Root::embedded(&bytes).is_err());
        prop_assert!(Ledger::decode(&bytes).is_err());
    }

    #[test]
    fn an_arbitrary_payload_never_panics(payload in any::<String>()) {
        prop_assert!(verify(&sealed(Context::Manifest, payload.clone(), &[&secret(2)]), 1).is_err());
        prop_assert!(Root::embedded(&sealed(Context::Root, payload, &[])).is_err());
    }

    #[test]
    fn ledgers_come_back_and_flipped_bits_are_found(
        floor in 0..=MOST_INTEGER,
        expires_ms: u64,
        draw: u8,
        live in any::<Option<(u64, u64, [u8; 32])>>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let stored = |slot| live.map(|(version, length, sha256)| Stored { slot, version, length, sha256 });
        let mut ledger = Ledger::new(draw);
        ledger.floor = floor;
        ledger.expires_ms = expires_ms;
        ledger.live = stored(Slot::One);
        ledger.last_known_good = stored(Slot::Zero);
        ledger.refused = live.map_or([0; 32], |(_, _, sha256)| sha256);
        ledger.refused_by = expires_ms;
        let mut bytes = ledger.encode();
        prop_assert_eq!(Ledger::decode(&bytes), Ok(ledger));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Ledger::decode(&bytes).is_err());
    }
}

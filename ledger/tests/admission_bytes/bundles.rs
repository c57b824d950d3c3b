//! Whole bundles: cut, glued, altered, and with counts that lie.

use gridbook_engine::{AreaId, Price, Side};
use gridbook_ledger::command::{BUNDLE_BYTES_MAX, Block, COMMANDS_MAX, Command, SignedBundle};
use gridbook_ledger::crypto::SecretKey;
use gridbook_ledger::reject::Code;

use crate::{bundle, commands, fill_or_kill, key, part, place, refused};

const VERSION_AT: usize = 18;

const COUNT_AT: usize = 100;

/// What a meter signs is what the market reads.
#[test]
fn a_signed_bundle_reads_back_with_its_bytes_name_and_signature() {
    let signed = bundle(commands()).sign(&key());
    let read = SignedBundle::decode(signed.bytes()).unwrap();
    assert_eq!(read, signed);
    assert_eq!(read.bundle(), &bundle(commands()));
    assert_eq!(read.id(), bundle(commands()).id());
    assert!(key().public().verify(&bundle(commands()).content(), read.signature()));
}

/// A connection breaks off in the middle of a bundle, anywhere.
#[test]
fn a_bundle_cut_at_any_byte_is_refused() {
    let bytes = bundle(commands()).sign(&key()).bytes().to_vec();
    for length in 0..bytes.len() {
        assert_eq!(SignedBundle::decode(&bytes[..length]).err(), Some(Code::FormTruncated), "cut at {length}");
    }
}

/// Noise on the line, or an attacker, flips one bit: the bundle must not read, or not verify. It never passes unnoticed.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let signed = bundle(commands()).sign(&key());
    for bit in 0..signed.bytes().len() * 8 {
        let mut bytes = signed.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = SignedBundle::decode(&bytes) else { continue };
        assert_eq!(read.bytes(), bytes);
        assert!(!read.bundle().signer.verify(read.content(), read.signature()), "bit {bit}");
        let in_the_signature = bit / 8 >= bytes.len() - 64;
        assert_eq!(read.id() == signed.id(), in_the_signature, "the name is the content's, bit {bit}");
    }
}

/// Something is glued on behind or in front: a second bundle, a byte, garbage.
#[test]
fn bytes_behind_or_in_front_are_refused() {
    let twice = bundle(commands()).sign(&key()).bytes().repeat(2);
    assert_eq!(SignedBundle::decode(&twice).err(), Some(Code::FormTrailing));
    assert_eq!(refused(|bytes| bytes.push(0)), Some(Code::FormTrailing));
    assert_eq!(refused(|bytes| bytes.insert(0, 0)), Some(Code::FormTag));
    assert_eq!(refused(|bytes| drop(bytes.splice(0..0, [0xaa; 64]))), Some(Code::FormTag));
    assert_eq!(refused(Vec::clear), Some(Code::FormTruncated));
}

/// Another kind of message, signed by the same key, or a format that is still to come.
#[test]
fn a_wrong_domain_or_version_is_refused() {
    assert_eq!(refused(|bytes| bytes[1] = b'G'), Some(Code::FormTag));
    assert_eq!(refused(|bytes| bytes[17] = b'2'), Some(Code::FormTag));
    assert_eq!(refused(|bytes| bytes[VERSION_AT] = 2), Some(Code::FormVersion));
    assert_eq!(refused(|bytes| bytes[VERSION_AT] = 0), Some(Code::FormVersion));
}

/// The count does not fit the bytes: more or fewer commands than it says, none, or more than allowed.
#[test]
fn a_count_that_lies_is_refused() {
    assert_eq!(refused(|bytes| bytes[COUNT_AT] -= 1), Some(Code::FormTrailing));
    assert_eq!(refused(|bytes| bytes[COUNT_AT] += 1), Some(Code::FormTruncated));
    assert_eq!(refused(|bytes| bytes[COUNT_AT] = 0), Some(Code::FormEmpty));
    assert_eq!(refused(|bytes| bytes[COUNT_AT + 1] = 0xff), Some(Code::FormCount));
    assert_eq!(refused(|bytes| bytes[COUNT_AT + 2] = 1), Some(Code::FormPadding));
}

/// 1,024 commands are a bundle; none, one more, or a count that would wrap are not.
#[test]
fn a_bundle_has_one_to_1024_commands() {
    let signed = |count: usize| bundle(vec![Command::CancelAll; count]).sign(&key());
    let largest = signed(COMMANDS_MAX);
    assert_eq!(largest.bytes().len(), BUNDLE_BYTES_MAX);
    assert!(SignedBundle::decode(largest.bytes()).is_ok());
    assert_eq!(SignedBundle::decode(signed(0).bytes()).err(), Some(Code::FormEmpty));
    assert_eq!(SignedBundle::decode(signed(COMMANDS_MAX + 1).bytes()).err(), Some(Code::FormLength));
    assert_eq!(SignedBundle::decode(signed(65_537).bytes()).err(), Some(Code::FormLength));
    let mut short = signed(COMMANDS_MAX + 1).bytes().to_vec();
    short.truncate(BUNDLE_BYTES_MAX);
    assert_eq!(SignedBundle::decode(&short).err(), Some(Code::FormCount));
}

/// A head announces what follows: an order missing, one too many announced, one that could rest, a stray part. No guessing.
#[test]
fn a_basket_or_block_that_is_not_whole_is_refused() {
    let decoded = |commands: Vec<Command>| SignedBundle::decode(bundle(commands).sign(&key()).bytes()).err();
    let (basket, order) = (|count| Command::Basket { count }, fill_or_kill(12));
    let block =
        |parts| Command::Block(Block { client_id: 14, area: AreaId(3), side: Side::Sell, price: Price(-1), parts });
    let part = Command::BlockPart(part(8));
    for good in [
        vec![basket(1), order],
        vec![basket(1), order, order],
        vec![basket(1), order, basket(2), order, order],
        vec![Command::CancelAll, block(2), part, part, basket(1), order],
        [&[basket(100)], &[order; 100][..]].concat(),
        [&[block(100)], &[part; 100][..]].concat(),
    ] {
        assert_eq!(decoded(good), None);
    }
    for bad in [
        vec![basket(0), order],
        vec![basket(2), order],
        vec![basket(1)],
        vec![basket(2), order, Command::Place(place())],
        vec![basket(2), order, Command::CancelAll],
        vec![basket(2), basket(1), order],
        [&[basket(101)], &[order; 101][..]].concat(),
    ] {
        assert_eq!(decoded(bad), Some(Code::FormBasket));
    }
    for bad in [
        vec![block(0), part],
        vec![block(1)],
        vec![block(2), part],
        vec![block(1), order],
        vec![part],
        vec![block(1), part, part],
        [&[block(101)], &[part; 101][..]].concat(),
    ] {
        assert_eq!(decoded(bad), Some(Code::FormBlock));
    }
}

/// The signature's bytes may differ for one content; the name may not.
#[test]
fn another_signature_over_the_same_content_has_the_same_name() {
    let mine = bundle(commands()).sign(&key());
    let other = bundle(commands()).sign(&SecretKey::from_seed([8; 32]));
    assert_ne!(mine.signature(), other.signature());
    assert_eq!(mine.id(), other.id());
}

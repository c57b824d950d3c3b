//! Answers as frames.

use bytes::Bytes;
use gridbook_ledger::reject::Code;
use gridbook_net::ANSWER_BYTES_MAX;

use crate::protocol::Answer;

/// An answer's frame, or, where that is longer than any may be, a refusal in its place: whoever waits for what cannot be sent would wait in vain.
pub(super) fn frame_of(answer: &Answer) -> (Bytes, Option<Code>) {
    let frame = answer.encode();
    match answer.request_id() {
        Some(request_id) if frame.len() > ANSWER_BYTES_MAX => {
            let code = Code::QuotaAnswer;
            (Answer::Refused { request_id, code }.encode().into(), Some(code))
        }
        _ => (frame.into(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The receipt of a gate that closed on a whole country: the longest that fits is sent, one byte more is refused by name.
    #[test]
    fn an_answer_that_is_too_long_to_send_is_refused_and_not_kept_back() {
        let receipt = |bytes| Answer::Receipt { request_id: 7, receipt: vec![1; bytes] };
        let around = receipt(0).encode().len();
        let longest = receipt(ANSWER_BYTES_MAX - around);
        assert_eq!(frame_of(&longest), (Bytes::from(longest.encode()), None));
        let (frame, code) = frame_of(&receipt(ANSWER_BYTES_MAX - around + 1));
        let refused = Answer::Refused { request_id: 7, code: Code::QuotaAnswer };
        assert_eq!((Answer::decode(&frame), code), (Ok(refused), Some(Code::QuotaAnswer)));
    }
}

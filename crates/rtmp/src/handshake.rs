use rml_rtmp::handshake::{Handshake as Machine, HandshakeError, HandshakeProcessResult, PeerType};

use crate::Error;

/// C0, C1 and C2, or S0, S1 and S2 (RTMP section 5.2).
pub(crate) const LENGTH: usize = 1 + 1536 + 1536;

const VERSION: u8 = 3;

/// The server's side, simple (S2 echoes C1) or with digests, as the client's C1 asks; or the
/// client's side, which offers digests and takes what it gets. `rml_rtmp` does the work; it is
/// given exactly the handshake's bytes.
pub(crate) struct Handshake {
    machine: Machine,
    received: usize,
}

impl Handshake {
    pub(crate) fn server() -> Self {
        Self { machine: Machine::new(PeerType::Server), received: 0 }
    }

    /// Appends C0 and C1 to `out`.
    pub(crate) fn client(out: &mut Vec<u8>) -> Result<Self, Error> {
        let mut handshake = Self { machine: Machine::new(PeerType::Client), received: 0 };
        let hello = handshake.machine.generate_outbound_p0_and_p1();
        out.extend(hello.map_err(|source| handshake.error(source))?);
        Ok(handshake)
    }

    /// Takes the handshake's bytes off the front of `input`, appends the answers to `out`; true
    /// when C2 (the client's: S2) is complete.
    pub(crate) fn read(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, Error> {
        let length = LENGTH.saturating_sub(self.received).min(input.len());
        let (ours, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
        self.check_version(ours)?;
        self.received = self.received.saturating_add(length);
        *input = rest;
        match self.machine.process_bytes(ours).map_err(|source| self.error(source))? {
            HandshakeProcessResult::InProgress { response_bytes } => {
                out.extend(response_bytes);
                Ok(false)
            }
            HandshakeProcessResult::Completed { response_bytes, .. } => {
                out.extend(response_bytes);
                Ok(true)
            }
        }
    }

    fn check_version(&self, input: &[u8]) -> Result<(), Error> {
        match input.first() {
            Some(&actual) if self.received == 0 && actual != VERSION => {
                Err(Error::Version { actual })
            }
            _ => Ok(()),
        }
    }

    fn error(&self, source: HandshakeError) -> Error {
        Error::Handshake { position: u64::try_from(self.received).unwrap_or(u64::MAX), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S0, S1 and S2 for these bytes, which may go on behind the handshake; also what was left of
    /// them.
    fn answer(bytes: &[u8], step: usize) -> (Vec<u8>, Vec<u8>) {
        let mut handshake = Handshake::server();
        let mut out = Vec::new();
        let mut pieces = bytes.chunks(step);
        for piece in pieces.by_ref() {
            let mut piece = piece;
            if handshake.read(&mut piece, &mut out).unwrap() {
                let rest = piece.iter().chain(pieces.flatten()).copied().collect();
                return (out, rest);
            }
        }
        panic!("the handshake did not end");
    }

    #[test]
    fn section_5_2_4_s2_echoes_a_simple_c1_exactly() {
        let Some(bytes) = testmedia::find_and_read("rtmp/flash9_play_c2s.bin") else { return };
        for step in [1, 1000, 10_000] {
            let (out, rest) = answer(&bytes, step);
            assert_eq!(out.len(), LENGTH);
            assert_eq!(out[0], 3);
            assert_eq!(out[1537..], bytes[1..1537], "S2 is C1");
            assert_eq!(rest, bytes[LENGTH..]);
        }
    }

    #[test]
    fn section_5_2_4_s2_echoes_a_c1_that_has_time_and_no_digest() {
        let mut bytes = vec![3];
        bytes.extend(testmedia::read("rtmp/red5_C1.dat"));
        bytes.extend([0; 1536]);
        let (out, _) = answer(&bytes, 1537);
        assert_eq!(out[1537..], bytes[1..1537]);
    }

    #[test]
    fn a_c1_with_digest_is_answered_by_a_digest() {
        let Some(bytes) = testmedia::find_and_read("rtmp/lnx9_play_a_c2s.bin") else { return };
        for step in [1, 1000, 10_000] {
            let (out, rest) = answer(&bytes, step);
            assert_eq!(out.len(), LENGTH);
            assert_ne!(out[1537..], bytes[1..1537], "S2 is signed, no echo");
            assert_eq!(rest, bytes[LENGTH..]);
        }
    }

    #[test]
    fn s0_and_s1_go_out_at_c0_and_differ_every_time() {
        let s1 = || {
            let mut out = Vec::new();
            assert!(!Handshake::server().read(&mut &[3][..], &mut out).unwrap());
            assert_eq!(out.len(), 1537);
            out
        };
        assert_ne!(s1(), s1());
    }

    #[test]
    fn section_5_2_2_another_version_is_refused_at_the_first_byte() {
        for (actual, input) in
            [(0x47, &b"GET / HTTP/1.1\r\n"[..]), (0x16, b"\x16\x03\x01"), (6, b"\x06")]
        {
            let mut out = Vec::new();
            let error = Handshake::server().read(&mut &*input, &mut out).unwrap_err();
            assert!(matches!(error, Error::Version { actual: byte } if byte == actual));
            assert!(out.is_empty());
        }
    }
}

//! Numbers in place of names.
//!
//! A recipient's number is made with a key that stays in the house, of campaign and row: the same in
//! every export, so that two of them can be joined, and of no use to whoever has the list but not the
//! key. Recipients come in the order of their numbers, because that of the list would tell who is who.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::core::campaign::{CampaignId, SessionId};

/// How many bytes of the code are the number: of a million recipients two have the same once in some
/// forty million campaigns.
const NUMBER_BYTES: usize = 8;

/// What numbers are made with.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// Takes a key.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// Gives recipients their numbers.
#[derive(Debug, Clone)]
pub struct Numbers(Key);

impl Numbers {
    /// Gives them with a key.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self(key)
    }

    /// A recipient's number: 16 hexadecimal digits.
    #[must_use]
    pub fn of(&self, id: &SessionId) -> String {
        let mut text = String::with_capacity(NUMBER_BYTES * 2);
        // Writing to a string does not fail.
        for byte in self.bytes(id) {
            let _written = write!(text, "{byte:02x}").is_ok();
        }
        text
    }

    /// Rows of a campaign in the order of their numbers; 16 bytes each are in memory.
    #[must_use]
    pub fn order(&self, campaign: &CampaignId, rows: Vec<u64>) -> Vec<u64> {
        let id = |row| SessionId { campaign: campaign.clone(), row };
        let mut rows: Vec<([u8; NUMBER_BYTES], u64)> =
            rows.into_iter().map(|row| (self.bytes(&id(row)), row)).collect();
        rows.sort_unstable();
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn bytes(&self, id: &SessionId) -> [u8; NUMBER_BYTES] {
        // A code of any length of key is defined.
        let Ok(mut code) = Hmac::<Sha256>::new_from_slice(&self.0.0) else {
            return [0; NUMBER_BYTES];
        };
        code.update(id.campaign.as_str().as_bytes());
        code.update(&id.row.to_be_bytes());
        let code = code.finalize().into_bytes();
        code.first_chunk().copied().unwrap_or_default()
    }
}

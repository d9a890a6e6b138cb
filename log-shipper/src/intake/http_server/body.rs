//! The body of a request, read and unpacked under limits.
//!
//! Bytes are reserved before they are held: what all requests of a source hold at the same time is
//! bounded by a [`Budget`], whatever peers send.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in units, so that any budget fits into a permit.
const UNIT: usize = 1024;

/// The most bytes that one byte of deflate can stand for.
const DEFLATE_RATIO: usize = 1032;

/// Why a body is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Packed or unpacked.
    #[error("the request is too large: at most {limit} bytes are accepted")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The sender was too slow.
    #[error("the request did not arrive in time")]
    Slow,
    /// The connection failed.
    #[error("the request did not arrive whole")]
    Broken,
    /// Other requests hold all the memory.
    #[error("too much is being received, try again")]
    Busy,
    /// `Content-Encoding`
    #[error("Content-Encoding {encoding:?} is not accepted: snappy, gzip and deflate are")]
    Encoding {
        /// As sent.
        encoding: String,
    },
    /// Bytes that are not what the encoding says.
    #[error("the request is no valid {encoding}")]
    Corrupt {
        /// The encoding.
        encoding: &'static str,
    },
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken | Self::Corrupt { .. } | Self::Encoding { .. } => StatusCode::BAD_REQUEST,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// A Snappy block.
    Snappy,
    /// Gzip.
    Gzip,
    /// Deflate, in the zlib format as HTTP has it, or bare as Go has it.
    Deflate,
}

impl Packing {
    /// What `Content-Encoding` says.
    ///
    /// # Errors
    /// An encoding that is none of these.
    pub fn of(headers: &HeaderMap) -> Result<Self, BodyError> {
        let value =
            headers.get(header::CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
        match value {
            b"" | b"identity" => Ok(Self::Plain),
            b"snappy" => Ok(Self::Snappy),
            b"gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            other => {
                Err(BodyError::Encoding { encoding: String::from_utf8_lossy(other).into_owned() })
            }
        }
    }
}

/// What the requests of one source may hold.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: usize,
    /// Bodies as they arrive. Never waited for: slow senders would hold up the others.
    packed: Arc<Semaphore>,
    /// What they unpack to. Waited for by those that hold a body; nobody who holds of this waits
    /// for the other, so there is no deadlock.
    unpacked: Arc<Semaphore>,
}

/// Bytes that go back to the budget when this is dropped.
#[derive(Debug, Default)]
pub struct Held(Option<OwnedSemaphorePermit>);

impl Held {
    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.0 {
            Some(held) => held.merge(permit),
            None => self.0 = Some(permit),
        }
    }

    /// Gives back what is above so many bytes.
    fn keep(&mut self, bytes: usize) {
        if let Some(held) = &mut self.0 {
            drop(held.split(held.num_permits().saturating_sub(units(bytes) as usize)));
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Budget {
    /// For requests of at most `limit` bytes: those of all requests are at most that together, and
    /// what they unpack to is as much again.
    pub fn new(limit: usize) -> Self {
        let semaphore = || {
            let permits = (units(limit) as usize).clamp(1, Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(permits))
        };
        Self { limit, packed: semaphore(), unpacked: semaphore() }
    }

    /// Bytes of one request.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Reads a body.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn read(
        &self,
        body: Body,
        time: Option<Duration>,
    ) -> Result<(Vec<u8>, Held), BodyError> {
        let read = self.read_all(body);
        match time {
            Some(time) => tokio::time::timeout(time, read).await.unwrap_or(Err(BodyError::Slow)),
            None => read.await,
        }
    }

    async fn read_all(&self, body: Body) -> Result<(Vec<u8>, Held), BodyError> {
        let mut body = std::pin::pin!(body);
        let (mut bytes, mut held) = (Vec::new(), Held::default());
        let mut reserved = 0;
        while let Some(frame) =
            std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
        {
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            let length = bytes.len() + data.len();
            if length > self.limit {
                return Err(BodyError::TooLarge { limit: self.limit });
            }
            // a vector grows by doubling
            let wanted = units(length.next_power_of_two().min(self.limit));
            if wanted > reserved {
                let permit = Arc::clone(&self.packed).try_acquire_many_owned(wanted - reserved);
                held.add(permit.map_err(|_| BodyError::Busy)?);
                reserved = wanted;
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes, held))
    }

    /// Reserves so many bytes, at most everything, and waits for them.
    async fn reserve(&self, bytes: usize) -> Held {
        let all = (units(self.limit) as usize).clamp(1, Semaphore::MAX_PERMITS);
        let wanted = units(bytes).min(u32::try_from(all).unwrap_or(u32::MAX));
        // it fails only when it is closed, which nobody does
        Held(Arc::clone(&self.unpacked).acquire_many_owned(wanted).await.ok())
    }

    /// Unpacks a body, and lets `decode` make something of it on a thread that may be busy. The
    /// result is `factor` times as large as its text at most.
    ///
    /// # Errors
    /// See [`BodyError`]; or what `decode` says.
    pub async fn unpack<T, E>(
        &self,
        (body, packed): (Vec<u8>, Held),
        packing: Packing,
        factor: usize,
        decode: impl FnOnce(Vec<u8>) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, Held), E>
    where
        T: Send + 'static,
        E: From<BodyError> + Send + 'static,
    {
        let limit = self.limit;
        let most = match packing {
            Packing::Plain => body.len(),
            Packing::Snappy => {
                let length = snap::raw::decompress_len(&body);
                length.map_err(|_| BodyError::Corrupt { encoding: "snappy" })?
            }
            Packing::Gzip | Packing::Deflate => body.len().saturating_mul(DEFLATE_RATIO).min(limit),
        };
        if most > limit {
            return Err(BodyError::TooLarge { limit }.into());
        }
        let mut held = self.reserve(most.saturating_mul(factor)).await;
        let decoded = tokio::task::spawn_blocking(move || {
            let text = unpack(body, packing, limit)?;
            drop(packed);
            let length = text.len();
            decode(text).map(|decoded| (decoded, length))
        });
        // it fails only when decoding panics: the request is at fault then
        let (decoded, length) = decoded.await.unwrap_or_else(|_| Err(BodyError::Broken.into()))?;
        held.keep(length.saturating_mul(factor));
        Ok((decoded, held))
    }
}

fn unpack(body: Vec<u8>, packing: Packing, limit: usize) -> Result<Vec<u8>, BodyError> {
    match packing {
        Packing::Plain => Ok(body),
        Packing::Snappy => unsnap(&body, limit),
        Packing::Gzip => inflate(MultiGzDecoder::new(&*body), "gzip", limit),
        Packing::Deflate if is_zlib(&body) => inflate(ZlibDecoder::new(&*body), "deflate", limit),
        Packing::Deflate => inflate(DeflateDecoder::new(&*body), "deflate", limit),
    }
}

/// The header of zlib; a bare block that begins so would have to fill with ones what nobody fills.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [method, flags, ..]
        if method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0)
}

/// Unpacks a Snappy block of at most `limit` bytes.
///
/// # Errors
/// See [`BodyError`].
pub fn unsnap(block: &[u8], limit: usize) -> Result<Vec<u8>, BodyError> {
    let corrupt = |_| BodyError::Corrupt { encoding: "snappy" };
    if snap::raw::decompress_len(block).map_err(corrupt)? > limit {
        return Err(BodyError::TooLarge { limit });
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(corrupt)
}

fn inflate(
    reader: impl std::io::Read,
    encoding: &'static str,
    limit: usize,
) -> Result<Vec<u8>, BodyError> {
    let mut text = Vec::new();
    let most = (limit as u64).saturating_add(1);
    reader.take(most).read_to_end(&mut text).map_err(|_| BodyError::Corrupt { encoding })?;
    if text.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    async fn through(limit: usize, body: Vec<u8>, packing: Packing) -> Result<Vec<u8>, BodyError> {
        let budget = Budget::new(limit);
        let read = budget.read(Body::from(body), None).await?;
        let unpacked = budget.unpack(read, packing, 1, Ok::<_, BodyError>).await;
        assert_eq!(budget.packed.available_permits(), units(limit) as usize);
        unpacked.map(|(text, _)| text)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn bodies_are_unpacked() {
        let text = b"some text".to_vec();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        bare.write_all(&text).unwrap();
        for (body, packing) in [
            (text.clone(), Packing::Plain),
            (snap::raw::Encoder::new().compress_vec(&text).unwrap(), Packing::Snappy),
            (gzip(&text), Packing::Gzip),
            (zlib.finish().unwrap(), Packing::Deflate),
            (bare.finish().unwrap(), Packing::Deflate),
        ] {
            assert_eq!(through(4096, body, packing).await.unwrap(), text);
        }
    }

    #[tokio::test]
    async fn a_small_body_that_unpacks_to_much_is_refused() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert!(bomb.len() < 8192);
        let refused = through(8192, bomb, Packing::Gzip).await;
        assert!(matches!(refused, Err(BodyError::TooLarge { limit: 8192 })));
        // a block that only says that it is large
        let refused = through(8192, vec![0xFF, 0xFF, 0xFF, 0xFF, 0x0F], Packing::Snappy).await;
        assert!(matches!(refused, Err(BodyError::TooLarge { .. })));
        assert!(matches!(
            through(8192, b"no gzip".to_vec(), Packing::Gzip).await,
            Err(BodyError::Corrupt { encoding: "gzip" })
        ));
        assert!(matches!(
            through(8, vec![0; 9], Packing::Plain).await,
            Err(BodyError::TooLarge { limit: 8 })
        ));
    }

    #[tokio::test]
    async fn what_others_hold_is_not_given_twice() {
        let budget = Budget::new(4096);
        let first = budget.read(Body::from(vec![0; 4096]), None).await.unwrap();
        let refused = budget.read(Body::from("x"), None).await;
        assert!(matches!(refused, Err(BodyError::Busy)));
        drop(first);
        assert!(budget.read(Body::from("x"), None).await.is_ok());
    }
}

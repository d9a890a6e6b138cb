//! Random access to a file through a few cached pages.
//!
//! Another process writes the file meanwhile: what was cached is forgotten whenever the caller looks
//! for more, so it never sees the old bytes of a new object. Not mapped into memory, because a file
//! that shrinks would then kill the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::layout::ReadError;

const PAGE: usize = 8 * 1024;

/// 256 KiB for each file that is being read.
const PAGES: usize = 32;

#[derive(Debug)]
struct Page {
    number: u64,
    used: u64,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct PagedFile {
    file: File,
    len: u64,
    pages: Vec<Page>,
    clock: u64,
}

impl PagedFile {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len, pages: Vec::new(), clock: 0 })
    }

    /// Bytes of the file when it was last looked at.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Measures the file anew, and forgets what is cached.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        self.forget();
        self.len = self.file.metadata()?.len();
        Ok(())
    }

    /// Gives the cached pages back.
    pub(super) fn forget(&mut self) {
        self.pages = Vec::new();
    }

    /// So many bytes from `offset`, all inside the file.
    pub(super) fn read(&mut self, offset: u64, count: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; count];
        self.fill(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` from `offset`, all inside the file.
    pub(super) fn fill(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.len);
        if end.is_none() {
            return Err(ReadError::Short(offset));
        }
        if bytes.len() > PAGE {
            return Ok(self.file.read_exact_at(bytes, offset)?);
        }
        let (mut offset, mut bytes) = (offset, bytes);
        while !bytes.is_empty() {
            let number = offset / PAGE as u64;
            #[expect(clippy::cast_possible_truncation, reason = "below the size of a page")]
            let within = (offset % PAGE as u64) as usize;
            let page = self.page(number)?;
            let available = page.get(within..).unwrap_or_default();
            let count = available.len().min(bytes.len());
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let (now, later) = bytes.split_at_mut(count);
            now.copy_from_slice(&available[..count]);
            bytes = later;
            offset += count as u64;
        }
        Ok(())
    }

    fn page(&mut self, number: u64) -> io::Result<&[u8]> {
        self.clock += 1;
        let found = self.pages.iter().position(|page| page.number == number);
        let index = if let Some(index) = found {
            index
        } else {
            let mut bytes = vec![0; PAGE];
            let mut filled = 0;
            while filled < PAGE {
                let at = number * PAGE as u64 + filled as u64;
                match self.file.read_at(&mut bytes[filled..], at) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(filled);
            let page = Page { number, used: 0, bytes };
            let oldest = (0..self.pages.len()).min_by_key(|index| self.pages[*index].used);
            match oldest {
                Some(index) if self.pages.len() >= PAGES => {
                    self.pages[index] = page;
                    index
                }
                _ => {
                    self.pages.push(page);
                    self.pages.len() - 1
                }
            }
        };
        self.pages[index].used = self.clock;
        Ok(&self.pages[index].bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use proptest::prelude::*;

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn what_is_written_after_a_refresh_is_seen() {
        let mut file = file_of(b"old");
        let mut paged = PagedFile::new(file.try_clone().unwrap()).unwrap();
        assert_eq!(paged.read(0, 3).unwrap(), b"old");
        file.rewind().unwrap();
        file.write_all(b"newer").unwrap();
        assert!(matches!(paged.read(0, 5), Err(ReadError::Short(0))));
        paged.refresh().unwrap();
        assert_eq!(paged.read(0, 5).unwrap(), b"newer");
        file.set_len(2).unwrap();
        paged.forget();
        assert!(matches!(paged.read(0, 5), Err(ReadError::Io(_))), "the file has shrunk");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn any_range_reads_as_from_the_whole(
            ranges in proptest::collection::vec((0_usize..600_000, 0_usize..20_000), 1..60)
        ) {
            let bytes: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).take(600_000).collect();
            let mut paged = PagedFile::new(file_of(&bytes)).unwrap();
            for (begin, count) in ranges {
                let read = paged.read(begin as u64, count).ok();
                prop_assert_eq!(read.as_deref(), bytes.get(begin..begin + count));
                prop_assert!(paged.pages.len() <= PAGES);
            }
        }
    }
}

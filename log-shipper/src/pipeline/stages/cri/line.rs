//! One line of a container runtime's log: `<time> <stdout|stderr> <tag> <content>`.
//!
//! Single blanks separate the parts; the content may hold anything, or nothing behind its blank.

/// The parts of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CriLine<'a> {
    /// As it stands; not necessarily a time.
    pub(super) time: &'a [u8],
    /// `stdout` or `stderr`.
    pub(super) stream: &'static str,
    /// `P` for a part of a line; anything else ends a line.
    pub(super) tag: &'a [u8],
    /// What the container wrote.
    pub(super) content: &'a [u8],
}

impl<'a> CriLine<'a> {
    /// `None` where the line has another shape.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (time, rest) = word(line)?;
        let (stream, rest) = match rest {
            [b's', b't', b'd', b'o', b'u', b't', b' ', rest @ ..] => ("stdout", rest),
            [b's', b't', b'd', b'e', b'r', b'r', b' ', rest @ ..] => ("stderr", rest),
            _ => return None,
        };
        let (tag, content) = word(rest)?;
        Some(Self { time, stream, tag, content })
    }

    /// Whether the line goes on with the next one of its stream.
    pub(super) fn is_partial(&self) -> bool {
        self.tag == b"P"
    }
}

/// What stands before the first white space, which must be a blank, and what stands behind.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | 0x0C | b'\r'))?;
    (end > 0 && text[end] == b' ').then(|| (&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use go_compat::regexp::Regexp;
    use proptest::prelude::*;

    #[test]
    fn parts_are_separated_by_single_blanks() {
        let line = CriLine::parse(b"2024-01-01T00:00:00Z stdout F full  line ").unwrap();
        assert_eq!((line.time, line.stream), (&b"2024-01-01T00:00:00Z"[..], "stdout"));
        assert_eq!((line.tag, line.content), (&b"F"[..], &b"full  line "[..]));
        assert_eq!(CriLine::parse(b"x stderr P:x ").unwrap().content, b"");
    }

    proptest! {
        #[test]
        fn lines_are_split_as_promtails_pattern_splits_them(
            line in "[a\t\r\n\x0b\x0cé ]{0,3}[a-z]{0,2} ?(stdout|stderr|stdin|std)?[ \t]{0,2}[PFx:]{0,2}[ \n]{0,2}[a \n]{0,3}",
        ) {
            let pattern = r"^(?s)(?P<time>\S+?) (?P<stream>stdout|stderr) (?P<flags>\S+?) (?P<content>.*)$";
            let regexp = Regexp::new(pattern).unwrap();
            let mut locations = regexp.capture_locations();
            let matched = regexp.captures_read(&mut locations, line.as_bytes());
            let part = |group| {
                let (begin, end) = locations.get(group).unwrap();
                &line.as_bytes()[begin..end]
            };
            let split = CriLine::parse(line.as_bytes());
            prop_assert_eq!(split.is_some(), matched, "{:?}", line);
            if let Some(split) = split {
                let parts = [split.time, split.stream.as_bytes(), split.tag, split.content];
                prop_assert_eq!(parts, [part(1), part(2), part(3), part(4)]);
            }
        }
    }
}

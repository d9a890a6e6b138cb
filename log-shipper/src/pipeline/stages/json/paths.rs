//! The values under plain keys and dotted paths, found in one pass over the text.
//!
//! The whole text is checked, whatever is wanted: a line that is malformed at its end gives
//! nothing. Nothing is copied but keys with escapes.

use std::ops::Range;

use super::cursor::{Cursor, Malformed, Open, RawString};
use super::strings::unescape;

/// Paths to look for, as a tree: what they have in common is looked at once.
#[derive(Debug)]
pub(crate) struct Paths {
    nodes: Vec<Node>,
    count: usize,
}

#[derive(Debug, Default)]
struct Node {
    keys: Vec<(Box<[u8]>, usize)>,
    /// The paths that end here.
    ends: Vec<usize>,
    /// The paths that end here or below.
    inside: Vec<usize>,
}

/// Where the values of the last text stand; reused from line to line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    spans: Vec<Option<Range<usize>>>,
    open: Open,
    key: Vec<u8>,
}

impl Found {
    /// Where the value of a path stands, by the path's number.
    pub(crate) fn get(&self, path: usize) -> Option<Range<usize>> {
        self.spans[path].clone()
    }
}

impl Paths {
    /// Numbers the paths from 0.
    pub(crate) fn new<P, K>(paths: P) -> Self
    where
        P: IntoIterator<Item: IntoIterator<Item = K>>,
        K: AsRef<str>,
    {
        let mut nodes = vec![Node::default()];
        let mut count = 0;
        for path in paths {
            let mut node = 0;
            for key in path {
                let key = key.as_ref().as_bytes();
                let known = nodes[node].keys.iter().find(|(name, _)| **name == *key);
                let known = known.map(|(_, child)| *child);
                node = known.unwrap_or_else(|| {
                    let child = nodes.len();
                    nodes[node].keys.push((Box::from(key), child));
                    nodes.push(Node::default());
                    child
                });
                nodes[node].inside.push(count);
            }
            nodes[node].ends.push(count);
            count += 1;
        }
        Self { nodes, count }
    }

    /// Looks for the paths in an object. `null` counts as an object without keys, as Go decodes it.
    pub(crate) fn find(&self, text: &[u8], found: &mut Found) -> Result<(), Malformed> {
        found.spans.clear();
        found.spans.resize(self.count, None);
        found.open.reset();
        let mut walk = Walk { paths: self, text, cursor: Cursor::new(text), found };
        walk.cursor.space();
        match walk.cursor.next()? {
            b'{' => walk.object(0)?,
            b'n' => walk.cursor.literal(b"ull")?,
            _ => return Err(Malformed),
        }
        walk.cursor.end()
    }
}

struct Walk<'a> {
    paths: &'a Paths,
    text: &'a [u8],
    cursor: Cursor<'a>,
    found: &'a mut Found,
}

impl Walk<'_> {
    /// The rest of an object whose brace was passed. Recurses as deep as the longest path.
    fn object(&mut self, node: usize) -> Result<(), Malformed> {
        self.cursor.space();
        if self.cursor.next_is(b'}') {
            return Ok(());
        }
        self.found.open.push(true)?;
        loop {
            let key = self.cursor.key()?;
            match self.child(node, key) {
                Some(child) => self.wanted(child)?,
                None => self.cursor.value(&mut self.found.open)?,
            }
            self.cursor.space();
            match self.cursor.next()? {
                b',' => self.cursor.space(),
                b'}' => break,
                _ => return Err(Malformed),
            }
        }
        self.found.open.pop();
        Ok(())
    }

    fn child(&mut self, node: usize, key: RawString) -> Option<usize> {
        let RawString { start, end, escaped } = key;
        let mut name = &self.text[start..end];
        if escaped {
            self.found.key.clear();
            unescape(name, &mut self.found.key);
            name = &self.found.key;
        }
        let keys = &self.paths.nodes[node].keys;
        keys.iter().find(|(wanted, _)| **wanted == *name).map(|(_, child)| *child)
    }

    /// A value under a key that a path has. What an earlier key of the same name had is void.
    fn wanted(&mut self, node: usize) -> Result<(), Malformed> {
        let Node { keys, ends, inside } = &self.paths.nodes[node];
        for path in inside {
            self.found.spans[*path] = None;
        }
        let start = self.cursor.at();
        if !keys.is_empty() && self.cursor.next_is(b'{') {
            self.object(node)?;
        } else {
            self.cursor.value(&mut self.found.open)?;
        }
        for path in ends {
            self.found.spans[*path] = Some(start..self.cursor.at());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn find<'a>(paths: &[&str], text: &'a str) -> Result<Vec<Option<&'a str>>, Malformed> {
        let split: Vec<Vec<&str>> = paths.iter().map(|path| path.split('.').collect()).collect();
        let paths = Paths::new(split);
        let mut found = Found::default();
        paths.find(text.as_bytes(), &mut found)?;
        Ok((0..paths.count).map(|path| found.get(path).map(|span| &text[span])).collect())
    }

    #[test]
    fn plain_and_dotted_paths_are_found_wherever_they_stand() {
        let text = r#" { "x":[{"a":0}], "a" : { "b":{"c":[1, 2]},"d":"e"} ,"f":null} "#;
        let paths = ["a.b.c", "f", "a.d", "a", "a.b.x", "f.g", "x.a"];
        assert_eq!(
            find(&paths, text).unwrap(),
            [
                Some("[1, 2]"),
                Some("null"),
                Some("\"e\""),
                Some(r#"{ "b":{"c":[1, 2]},"d":"e"}"#),
                None,
                None,
                None
            ]
        );
    }

    #[test]
    fn the_last_of_equal_keys_counts_with_everything_in_it() {
        assert_eq!(find(&["v"], r#"{"v":1,"v":2}"#).unwrap(), [Some("2")]);
        let paths = ["a.b", "a"];
        assert_eq!(find(&paths, r#"{"a":{"b":1},"a":5}"#).unwrap(), [None, Some("5")]);
        assert_eq!(
            find(&paths, r#"{"a":{"b":1},"a":{"c":2}}"#).unwrap(),
            [None, Some(r#"{"c":2}"#)]
        );
    }

    #[test]
    fn keys_are_compared_without_their_escapes() {
        assert_eq!(
            find(&["a\"b", "é"], r#"{"a\"b":1,"\u00e9":2}"#).unwrap(),
            [Some("1"), Some("2")]
        );
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for text in [
            "",
            "not json",
            "[1,2]",
            "\"s\"",
            "42",
            "true",
            "{\"a\":1} trailing",
            "{\"broken\":",
            "{\"a\":1}{}",
            "nulls",
            "{\"a\":1,}",
        ] {
            assert_eq!(find(&["a"], text), Err(Malformed), "{text}");
        }
        assert_eq!(find(&["a"], "null").unwrap(), [None]);
        assert_eq!(find(&["a"], " {} ").unwrap(), [None]);
    }

    #[test]
    fn depth_is_limited_inside_wanted_objects_too() {
        let text = format!("{{\"a\":{{\"b\":{}{}}}}}", "[".repeat(9_999), "]".repeat(9_999));
        assert_eq!(find(&["a.b"], &text), Err(Malformed));
        let text = format!("{{\"a\":{{\"b\":{}{}}}}}", "[".repeat(9_998), "]".repeat(9_998));
        assert!(find(&["a.b"], &text).is_ok());
    }

    #[test]
    fn objects_side_by_side_are_not_depth() {
        let text = format!("{{{}\"z\":0}}", "\"a\":{\"b\":1},".repeat(10_001));
        assert_eq!(find(&["a.b"], &text).unwrap(), [Some("1")]);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let key = || prop_oneof![4 => "[abc]", 1 => any::<String>()];
        let value = leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((key(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        });
        proptest::collection::vec((key(), value), 0..5)
            .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
    }

    const PATHS: [&str; 6] = ["a", "b", "a.a", "a.b", "b.a.c", "c.c"];

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let found = find(&PATHS, text);
        let Ok(document) = serde_json::from_str::<Value>(text) else {
            prop_assert_eq!(found, Err(Malformed), "{}", text);
            return Ok(());
        };
        if !document.is_object() && !document.is_null() {
            prop_assert_eq!(found, Err(Malformed), "{}", text);
            return Ok(());
        }
        for (path, found) in PATHS.iter().zip(found.unwrap()) {
            let expected =
                path.split('.').try_fold(&document, |value, key| value.as_object()?.get(key));
            let found = found.map(|text| serde_json::from_str::<Value>(text).unwrap());
            prop_assert_eq!(found.as_ref(), expected, "{} in {}", path, text);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_object_gives_what_serde_json_finds(document in json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&document)
            } else {
                serde_json::to_string(&document)
            };
            agrees(&text.unwrap())?;
        }

        #[test]
        fn damaged_text_gives_what_serde_json_finds(
            document in json(),
            at in any::<proptest::sample::Index>(),
            damage in prop_oneof!["", "[\\[\\]{}:,\"0-9a \\\\-]", Just("\"a\":".to_owned())],
            removed in 0_usize..3,
        ) {
            let characters: Vec<char> = serde_json::to_string(&document).unwrap().chars().collect();
            let at = at.index(characters.len());
            let end = (at + removed).min(characters.len());
            let text: String = characters[..at]
                .iter()
                .copied()
                .chain(damage.chars())
                .chain(characters[end..].iter().copied())
                .collect();
            // Escaped halves of surrogate pairs are accepted here, as in Go.
            prop_assume!(!text.contains("\\u"));
            agrees(&text)?;
        }
    }
}

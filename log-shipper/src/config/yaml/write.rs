//! From the tree to text that [`parse`](super::parse) reads as the same tree.

use std::fmt::Write as _;

use super::{Kind, MAX_SIMPLE_KEY_BYTES, Node, Scalar};

/// The tree as block-style YAML, ending in a line end.
pub fn to_text(node: &Node) -> String {
    let mut out = String::new();
    match &node.kind {
        Kind::Sequence(items) if !items.is_empty() => sequence(items, 0, &mut out),
        Kind::Mapping(pairs) if !pairs.is_empty() => mapping(pairs, 0, &mut out),
        _ => {
            inline(node, &mut out);
            out.push('\n');
        }
    }
    out
}

fn mapping(pairs: &[(Node, Node)], indent: usize, out: &mut String) {
    for (at, (key, value)) in pairs.iter().enumerate() {
        // the first key may stand behind the dash of a list
        if at > 0 || out.is_empty() || out.ends_with('\n') {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        let begin = out.len();
        inline(key, out);
        if out.len() - begin > MAX_SIMPLE_KEY_BYTES {
            out.insert_str(begin, "? ");
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push(':');
        match &value.kind {
            Kind::Sequence(items) if !items.is_empty() => {
                out.push('\n');
                sequence(items, indent, out);
            }
            Kind::Mapping(pairs) if !pairs.is_empty() => {
                out.push('\n');
                mapping(pairs, indent + 2, out);
            }
            _ => {
                out.push(' ');
                inline(value, out);
                out.push('\n');
            }
        }
    }
}

fn sequence(items: &[Node], indent: usize, out: &mut String) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 || out.is_empty() || out.ends_with('\n') {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str("- ");
        match &item.kind {
            Kind::Sequence(items) if !items.is_empty() => sequence(items, indent + 2, out),
            Kind::Mapping(pairs) if !pairs.is_empty() => mapping(pairs, indent + 2, out),
            _ => {
                inline(item, out);
                out.push('\n');
            }
        }
    }
}

/// A scalar, or a list or map without content.
fn inline(node: &Node, out: &mut String) {
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Sequence(_) => out.push_str("[]"),
        Kind::Mapping(_) => out.push_str("{}"),
        Kind::Scalar { text, plain: true } if is_safe_plain(text) => out.push_str(text),
        // a scalar that cannot stand bare is text: no number or boolean needs quotes
        Kind::Scalar { text, .. }
            if is_safe_plain(text) && matches!(Scalar::resolve(text), Scalar::Text(_)) =>
        {
            out.push_str(text);
        }
        Kind::Scalar { text, .. } => quoted(text, out),
    }
}

/// Whether YAML reads `text` without quotes as that text; errs towards quotes.
fn is_safe_plain(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | '+');
    let is_inner =
        |c: char| is_word(c) || matches!(c, '=' | '$' | '(' | ')' | '^' | '<' | '>' | '@');
    let starts_well = text.starts_with(|c: char| is_word(c) || c == '<');
    // `<<` merges, dashes and dots begin lists and documents
    starts_well && text.chars().all(is_inner) && !matches!(text, "<<" | "-" | "---" | "...")
}

fn quoted(text: &str, out: &mut String) {
    if text.chars().all(|c| c == ' ' || (!c.is_control() && !c.is_whitespace() && c != '\u{feff}'))
    {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c == ' ' || !(c.is_control() || c.is_whitespace() || c == '\u{feff}') => {
                out.push(c);
            }
            c => {
                let _infallible = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::yaml::parse;

    /// Without positions, and with the question answered that `plain` stands for.
    fn meaning(node: &Node) -> String {
        match &node.kind {
            Kind::Sequence(items) => {
                format!("[{}]", items.iter().map(meaning).collect::<Vec<_>>().join(","))
            }
            Kind::Mapping(pairs) => {
                let pair =
                    |(key, value): &(Node, Node)| format!("{}:{}", meaning(key), meaning(value));
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(","))
            }
            _ => format!("{:?}", node.scalar()),
        }
    }

    fn trees() -> impl Strategy<Value = Node> {
        let text = prop_oneof!["[ -~]{0,12}", "(?s).{0,6}", Just("yes".to_owned())];
        let leaf = prop_oneof![
            Just(Kind::Null),
            text.prop_map(Kind::text),
            any::<i64>().prop_map(Kind::plain),
            any::<bool>().prop_map(Kind::plain),
        ]
        .prop_map(Node::new);
        leaf.prop_recursive(4, 24, 4, |inner| {
            let key = prop_oneof![9 => "[ -~]{1,8}", 1 => "[ -~]{1000,1030}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| Node::new(Kind::Sequence(items))),
                prop::collection::btree_map(key, inner, 0..4).prop_map(|map| {
                    let pair = |(key, value)| (Node::new(Kind::text(key)), value);
                    Node::new(Kind::Mapping(map.into_iter().map(pair).collect()))
                }),
            ]
        })
    }

    #[test]
    fn lists_and_maps_are_written_as_blocks() {
        let text = "a: 1\nb:\n- x: 'yes'\n  y: null\n- - p\n  - 'q: r'\nc: {}\nd: \"tab\\t\"\n";
        assert_eq!(to_text(&parse(text).unwrap()), text);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_tree(tree in trees()) {
            let text = to_text(&tree);
            let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(meaning(&read), meaning(&tree), "{}", text);
        }
    }
}

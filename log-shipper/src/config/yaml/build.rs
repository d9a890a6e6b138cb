//! From the parser's events to the tree.
//!
//! Nothing here recurses while it builds, and the depth of the tree is bounded: hostile input can
//! exhaust neither the stack nor, through aliases, the memory.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{Kind, MAX_DEPTH, MAX_EXPANDED_BYTES, Node, YamlError, YamlProblem};

/// Reads the first document of `text`; an empty text is null.
///
/// # Errors
/// When the text is no YAML, repeats a key within a map, nests deeper than [`MAX_DEPTH`], or has
/// aliases that expand beyond [`MAX_EXPANDED_BYTES`].
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    while let Some(event) = parser.next_event() {
        let (event, span) = event
            .map_err(|error| at(*error.marker(), YamlProblem::Syntax(error.info().to_owned())))?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = scalar(text.into_owned(), style, tag.as_deref());
                builder.add(node(span.start, kind), anchor)?;
            }
            Event::SequenceStart(anchor, _) => {
                builder.open(span.start, anchor, Content::Sequence(Vec::new()))?;
            }
            Event::MappingStart(anchor, _) => {
                let content = Content::Mapping { pairs: Vec::new(), key: None };
                builder.open(span.start, anchor, content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::Alias(anchor) => builder.alias(anchor, span.start)?,
            Event::DocumentEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::StreamEnd | Event::Nothing => {}
        }
    }
    Ok(builder.root.unwrap_or(Node { line: 1, column: 1, kind: Kind::Null }))
}

fn at(marker: Marker, problem: YamlProblem) -> YamlError {
    YamlError { line: marker.line(), column: marker.col() + 1, problem }
}

fn node(start: Marker, kind: Kind) -> Node {
    Node { line: start.line(), column: start.col() + 1, kind }
}

fn at_node(node: &Node, problem: YamlProblem) -> YamlError {
    YamlError { line: node.line, column: node.column, problem }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    let plain = match tag {
        // the tag says that the content decides, also between quotes
        Some(tag) if tag.is_yaml_core_schema() => {
            matches!(tag.suffix.as_str(), "bool" | "float" | "int" | "null")
        }
        Some(_) => false,
        None => style == ScalarStyle::Plain,
    };
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" if plain => Kind::Null,
        _ => Kind::Scalar { text, plain },
    }
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    /// What each anchor stands for, with its weight; complete values only.
    anchored: HashMap<usize, (Node, usize)>,
    /// Memory that aliases took so far.
    expanded: usize,
}

/// A list or map whose end was not seen yet.
struct Open {
    line: usize,
    column: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { pairs: Vec<(Node, Node)>, key: Option<Node> },
}

impl Builder {
    fn open(&mut self, start: Marker, anchor: usize, content: Content) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(at(start, YamlProblem::TooDeep));
        }
        let (line, column) = (start.line(), start.col() + 1);
        self.open.push(Open { line, column, anchor, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let Some(Open { line, column, anchor, content }) = self.open.pop() else { return Ok(()) };
        let kind = match content {
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping { pairs, .. } => Kind::Mapping(unique(pairs)?),
        };
        self.add(Node { line, column, kind }, anchor)
    }

    fn alias(&mut self, anchor: usize, start: Marker) -> Result<(), YamlError> {
        let Some((target, weight)) = self.anchored.get(&anchor) else {
            // the parser refuses unknown names: only an unfinished value is left
            return Err(at(start, YamlProblem::AliasOfItself));
        };
        self.expanded += weight;
        if self.expanded > MAX_EXPANDED_BYTES {
            return Err(at(start, YamlProblem::AliasesTooLarge));
        }
        if self.open.len() + depth(target) > MAX_DEPTH {
            return Err(at(start, YamlProblem::TooDeep));
        }
        let target = target.clone();
        self.add(target, 0)
    }

    /// Puts a complete value where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        if anchor != 0 {
            let weight = weight(&node);
            // the copy that the anchor keeps counts as well
            self.expanded += weight;
            if self.expanded > MAX_EXPANDED_BYTES {
                return Err(at_node(&node, YamlProblem::AliasesTooLarge));
            }
            self.anchored.insert(anchor, (node.clone(), weight));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { pairs, key }) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None if matches!(node.kind, Kind::Sequence(_) | Kind::Mapping(_)) => {
                    return Err(at_node(&node, YamlProblem::KeyNotScalar));
                }
                None => *key = Some(node),
            },
        }
        Ok(())
    }
}

/// Checks that every key stands once, and replaces merge keys by what they merge.
fn unique(mut pairs: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, YamlError> {
    let mut seen: HashMap<Option<&str>, usize> = HashMap::with_capacity(pairs.len());
    let mut merges = false;
    for (key, _) in &pairs {
        if is_merge(key) {
            merges = true;
        } else if let Some(first_line) = seen.insert(key.raw_text(), key.line) {
            let key_text = key.raw_text().unwrap_or("null").to_owned();
            return Err(at_node(key, YamlProblem::DuplicateKey { key: key_text, first_line }));
        }
    }
    if !merges {
        return Ok(pairs);
    }
    let (merged, own): (Vec<_>, Vec<_>) = pairs.drain(..).partition(|(key, _)| is_merge(key));
    let mut known: HashSet<Option<String>> =
        own.iter().map(|(key, _)| key.raw_text().map(str::to_owned)).collect();
    pairs = own;
    for (key, value) in merged {
        for source in merge_sources(&key, value)? {
            for (key, value) in source {
                if known.insert(key.raw_text().map(str::to_owned)) {
                    pairs.push((key, value));
                }
            }
        }
    }
    Ok(pairs)
}

fn is_merge(key: &Node) -> bool {
    matches!(&key.kind, Kind::Scalar { text, plain: true } if text == "<<")
}

/// The maps that a merge key names; the first one that has a key decides.
fn merge_sources(key: &Node, value: Node) -> Result<Vec<Vec<(Node, Node)>>, YamlError> {
    let wrong = || at_node(key, YamlProblem::MergeNotMap);
    match value.kind {
        Kind::Mapping(pairs) => Ok(vec![pairs]),
        Kind::Sequence(items) => items
            .into_iter()
            .map(|item| match item.kind {
                Kind::Mapping(pairs) => Ok(pairs),
                _ => Err(wrong()),
            })
            .collect(),
        Kind::Null | Kind::Scalar { .. } => Err(wrong()),
    }
}

/// Bytes of memory that a copy takes, roughly. The depth is bounded, so this may recurse.
fn weight(node: &Node) -> usize {
    let content: usize = match &node.kind {
        Kind::Null => 0,
        Kind::Scalar { text, .. } => text.len(),
        Kind::Sequence(items) => items.iter().map(weight).sum(),
        Kind::Mapping(pairs) => pairs.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
    };
    size_of::<Node>() + content
}

fn depth(node: &Node) -> usize {
    match &node.kind {
        Kind::Null | Kind::Scalar { .. } => 0,
        Kind::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Kind::Mapping(pairs) => 1 + pairs.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
    }
}

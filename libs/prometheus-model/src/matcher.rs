//! Matchers and selectors: `{job="api", status=~"5.."}`.
//!
//! A label that is absent has the empty value; expressions match the whole value.

use std::fmt;

use go_compat::regexp::{Regexp, RegexpError};
use go_compat::strconv;

use crate::label_set::{LabelSet, is_valid_label_name};

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

impl Operator {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

/// Why a selector is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// It is written wrongly.
    #[error("selector `{selector}`, byte {at}: expected {expected}")]
    Syntax {
        /// The selector.
        selector: String,
        /// Offset in bytes.
        at: usize,
        /// What would have been accepted there.
        expected: &'static str,
    },
    /// A value that is to be an expression is none.
    #[error("matcher for label {name}")]
    Expression {
        /// The label.
        name: String,
        /// What is wrong with it.
        #[source]
        cause: RegexpError,
    },
}

/// One condition on one label.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    operator: Operator,
    value: String,
    expression: Option<Regexp>,
}

impl Matcher {
    /// A matcher.
    ///
    /// # Errors
    /// The value of `=~` or `!~` is no expression.
    pub fn new(name: &str, operator: Operator, value: &str) -> Result<Self, SelectorError> {
        let expression = matches!(operator, Operator::Matches | Operator::MatchesNot)
            .then(|| Regexp::anchored(value))
            .transpose()
            .map_err(|cause| SelectorError::Expression { name: name.to_owned(), cause })?;
        Ok(Self { name: name.to_owned(), operator, value: value.to_owned(), expression })
    }

    /// The label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What it compares with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a value of the label meets the condition; an absent label is the empty text.
    pub fn matches(&self, value: &str) -> bool {
        let equal = match &self.expression {
            Some(expression) => expression.is_match(value.as_bytes()),
            None => self.value == value,
        };
        equal == matches!(self.operator, Operator::Equal | Operator::Matches)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.operator.as_str(), strconv::quote(&self.value))
    }
}

/// Whether a label set meets all conditions.
pub fn matches_all(matchers: &[Matcher], labels: &LabelSet) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or_default()))
}

/// Reads a selector; what follows its closing brace is returned. Values stand between double,
/// single or back quotes, as in `PromQL`; a comma after the last matcher is allowed.
///
/// ```
/// use prometheus_model::label_set::LabelSet;
/// use prometheus_model::matcher::{matches_all, parse_selector};
///
/// let (matchers, rest) = parse_selector(r#"{job="api", status=~"5.."} |= "error""#)?;
/// let labels: LabelSet = [("job", "api"), ("status", "503")].into_iter().collect();
/// assert!(matches_all(&matchers, &labels));
/// assert_eq!(rest, r#" |= "error""#);
/// # Ok::<(), prometheus_model::matcher::SelectorError>(())
/// ```
///
/// # Errors
/// [`SelectorError`] says where and what was expected.
pub fn parse_selector(selector: &str) -> Result<(Vec<Matcher>, &str), SelectorError> {
    let mut reader = Reader { selector, at: 0 };
    reader.expect("{", "`{`")?;
    let mut matchers = Vec::new();
    while !reader.accept("}") {
        if !matchers.is_empty() {
            reader.expect(",", "`,` or `}`")?;
            if reader.accept("}") {
                break;
            }
        }
        let name = reader.name()?;
        let operator = reader.operator()?;
        let value = reader.value()?;
        matchers.push(Matcher::new(name, operator, &value)?);
    }
    Ok((matchers, &selector[reader.at..]))
}

struct Reader<'a> {
    selector: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = &self.selector[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn accept(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn error(&self, expected: &'static str) -> SelectorError {
        SelectorError::Syntax { selector: self.selector.to_owned(), at: self.at, expected }
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), SelectorError> {
        if self.accept(token) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn name(&mut self) -> Result<&'a str, SelectorError> {
        let rest = self.rest();
        let end = rest
            .find(|char: char| !char.is_ascii_alphanumeric() && char != '_')
            .unwrap_or(rest.len());
        if !is_valid_label_name(&rest[..end]) {
            return Err(self.error("a label name"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        // The longer ones first: `=` begins `=~`.
        let operators =
            [Operator::Matches, Operator::MatchesNot, Operator::NotEqual, Operator::Equal];
        let found = operators.into_iter().find(|operator| self.accept(operator.as_str()));
        found.ok_or_else(|| self.error("one of = != =~ !~"))
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        let rest = self.rest();
        let value = quoted(rest).and_then(|(value, after)| {
            Some((String::from_utf8(value).ok()?, rest.len() - after.len()))
        });
        let Some((value, length)) = value else { return Err(self.error("a quoted text")) };
        self.at += length;
        Ok(value)
    }
}

/// Reads a text between double, single or back quotes; its bytes, and what follows it. In a double
/// or single quoted text, Go's escapes stand for other bytes.
pub fn quoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let quote = text.chars().next().filter(|char| matches!(char, '"' | '\'' | '`'))?;
    let mut escaped = false;
    let end = text[1..].find(|char| {
        let is_end = char == quote && !escaped;
        escaped = char == '\\' && !escaped && quote != '`';
        is_end
    })?;
    let (inner, after) = (&text[1..=end], &text[end + 2..]);
    let value = match quote {
        '`' => inner.as_bytes().to_vec(),
        '"' => strconv::unquote(&text[..end + 2])?,
        // as a double-quoted text, with the other quote escaped
        _ => strconv::unquote(&format!("\"{}\"", inner.replace("\\'", "'").replace('"', "\\\"")))?,
    };
    Some((value, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels() -> LabelSet {
        [("job", "api"), ("status", "503")].into_iter().collect()
    }

    fn matches(selector: &str) -> bool {
        let (matchers, rest) = parse_selector(selector).unwrap();
        assert_eq!(rest, "");
        matches_all(&matchers, &labels())
    }

    #[test]
    fn all_operators_and_absent_labels() {
        assert!(matches(r#"{job="api"}"#));
        assert!(matches(r#"{ job = 'api' , status=~"5..", }"#));
        assert!(!matches(r#"{status=~"5"}"#), "an expression matches the whole value");
        assert!(matches(r#"{status!~"5"}"#));
        assert!(matches(r#"{absent="", job!="web"}"#));
        assert!(!matches("{absent=~`.+`}"));
        assert!(matches("{}"));
    }

    #[test]
    fn quotes_are_go_s_and_the_rest_is_returned() {
        let (matchers, rest) = parse_selector(r#"{a="x\"\n", b='y"\'z'} |= "more""#).unwrap();
        assert_eq!(matchers[0].value(), "x\"\n");
        assert_eq!(matchers[1].value(), "y\"'z");
        assert_eq!(rest, r#" |= "more""#);
        assert_eq!(matchers[0].to_string(), r#"a="x\"\n""#);
    }

    #[test]
    fn errors_say_where() {
        for (selector, at) in
            [("job", 0), ("{a}", 2), ("{a=b}", 3), (r#"{a="b" c="d"}"#, 7), ("{a=\"b", 3)]
        {
            match parse_selector(selector) {
                Err(SelectorError::Syntax { at: found, .. }) => assert_eq!(found, at, "{selector}"),
                other => panic!("{selector}: {other:?}"),
            }
        }
        assert!(matches!(parse_selector(r#"{a=~"("}"#), Err(SelectorError::Expression { .. })));
    }

    #[test]
    fn escapes_are_read_in_all_quotes() {
        for (text, expected) in [
            (r#""a\\" rest"#, r"a\"),
            (r"'a\\\'b' rest", r"a\'b"),
            ("'\\x41\\u00e4\"' rest", "Aä\""),
            ("`a\\` rest", "a\\"),
            ("`\n` rest", "\n"),
        ] {
            let (value, rest) = quoted(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((String::from_utf8(value).unwrap().as_str(), rest), (expected, " rest"));
        }
        for text in ["", "a", "\"a", "'a\\'", r#""\q""#, "\"a\nb\"", r#"'\"'"#] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any::<String>()) {
            let matcher = Matcher::new("a", Operator::NotEqual, &value).unwrap();
            let text = format!("{{{matcher}, b=''}}");
            let (read, rest) = parse_selector(&text).unwrap();
            prop_assert_eq!((read.len(), read[0].value(), rest), (2, value.as_str(), ""));
        }

        #[test]
        fn any_text_is_read_or_refused(text in r#"\{[a=~!,"'`\\}{ x]{0,12}"#) {
            if let Err(SelectorError::Syntax { at, .. }) = parse_selector(&text) {
                prop_assert!(text.is_char_boundary(at));
            }
        }
    }
}

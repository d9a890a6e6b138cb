//! No template may hang, exhaust memory or the stack, or panic.

use super::{Data, RenderError, render_with};
use crate::template::{Limit, Template, TemplateError};

fn limit_of(template: &str) -> Limit {
    match render_with(template, &[("Value", "x")]) {
        Err(RenderError::Limit { limit, .. }) => limit,
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn a_pattern_made_of_a_line_is_compiled_if_it_is_small() {
    let rendered =
        |pattern: &str| render_with("{{ regexMatch .Value \"xxb\" }}", &[("Value", pattern)]);
    assert_eq!(rendered(r"^x+(a|b|\pL){1,9}$").unwrap(), "true");
    for pattern in [r"\pL".repeat(3_000), r"(\pL{10}){100}".to_owned(), r"\pL{1000}".to_owned()] {
        let error = rendered(&pattern).unwrap_err().to_string();
        assert!(error.contains("more than 524288 bytes when compiled"), "{error}");
    }
}

#[test]
fn every_way_to_grow_has_an_end() {
    for (template, limit) in [
        ("{{ until 1000000000 }}", Limit::Work),
        ("{{ seq 1 1000000000 }}", Limit::Work),
        ("{{ range 9223372036854775807 }}{{ end }}", Limit::Work),
        ("{{ repeat 1000000000 \"x\" }}", Limit::Output),
        ("{{ range 9000000 }}{{ repeat 100000 \"x\" }}{{ end }}", Limit::Output),
        ("{{ indent 4000000000 \"x\" }}", Limit::Output),
        ("{{ randAlpha 4000000000 }}", Limit::Output),
        ("{{ define \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}", Limit::Depth),
        (
            "{{ define \"t\" }}{{ if true }}{{ with 1 }}{{ range 1 }}{{ template \"t\" (print (print 1)) }}{{ end }}{{ end }}{{ end }}{{ end }}{{ template \"t\" }}",
            Limit::Depth,
        ),
        ("{{ $x := list }}{{ range 1000 }}{{ $x = list $x }}{{ end }}", Limit::ValueDepth),
        ("{{ $x := list 1 }}{{ range 100 }}{{ $x = list $x $x }}{{ end }}", Limit::Work),
        ("{{ $x := \"xxxxxxxx\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}", Limit::Output),
        ("{{ $x := list 1 }}{{ range 100000000 }}{{ $x = append $x 1 }}{{ end }}", Limit::Work),
        ("{{ range 100000 }}{{ regexMatch (print \"a\" .) \"a\" }}{{ end }}", Limit::Work),
        ("{{ uniq (until 500000) }}", Limit::Work),
        ("{{ $x := repeat 1000000 \"x\" }}{{ range 100000 }}{{ len $x }}{{ end }}", Limit::Work),
        ("{{ regexFindAll \"\" (repeat 4000000 \"x\") -1 }}", Limit::Work),
        ("{{ regexReplaceAll \"\" (repeat 4000000 \"x\") \"yy\" }}", Limit::Output),
        ("{{ splitList \"\" (repeat 4000000 \"x\") }}", Limit::Work),
    ] {
        assert_eq!(limit_of(template), limit, "{template}");
    }
}

#[test]
fn wide_padding_is_bounded() {
    let widths = "%1000000d".repeat(8);
    let values = "1 ".repeat(8);
    let template = format!("{{{{ printf \"{widths}\" {values} }}}}");
    assert_eq!(limit_of(&template), Limit::Output);
}

#[test]
fn widths_and_precisions_of_any_size_are_padded() {
    for directive in
        ["%01000000d", "%.1000000d", "%-01000000d", "%070000x", "%.70000X", "%.1000000U"]
    {
        let text = render_with(&format!("{{{{ printf \"{directive}\" 7 }}}}"), &[]).unwrap();
        assert!(text.len() >= 70_000, "{directive}: {}", text.len());
    }
    for directive in ["%01000000f", "%01000000.2e", "%01000000g", "%+070000.3g"] {
        let text = render_with(&format!("{{{{ printf \"{directive}\" 7.5 }}}}"), &[]).unwrap();
        assert!(text.len() >= 70_000, "{directive}: {}", text.len());
    }
}

#[test]
fn deep_nesting_is_refused_when_parsed() {
    for template in [
        format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        "{{ if 1 }}".repeat(100_000),
        format!("{{{{ 1{} }}}}", " | print".repeat(100_000)),
        "{{ define \"a\" }}".repeat(100_000),
    ] {
        let refused = Template::parse(&template).unwrap_err();
        let expected =
            matches!(refused, TemplateError::TooDeep { .. } | TemplateError::Unexpected { .. });
        assert!(expected, "{refused}");
    }
}

#[test]
fn a_long_template_is_no_deep_one() {
    let template = "{{ if eq .Value \"y\" }}a".to_owned()
        + &"{{ else if eq .Value \"z\" }}b".repeat(1_000)
        + "{{ else }}c{{ end }}";
    assert_eq!(render_with(&template, &[("Value", "x")]).unwrap(), "c");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(source in "\\PC*") {
        drop(Template::parse(&source));
    }

    #[test]
    fn no_program_makes_the_evaluator_panic(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..12),
        extra in "[a-z(){}$.|\" 0-9-]{0,8}",
    ) {
        let source = format!("{{{{ {} {extra} }}}}", words.join(" "));
        if let Ok(template) = Template::parse(&source) {
            let data = Data(vec![("Value", crate::template::Value::Text(b"a\xff ,1".to_vec()))]);
            drop(template.render(&data, &mut Vec::new()));
        }
    }

    #[test]
    fn no_argument_makes_a_function_panic(
        function in 0_usize..400,
        arguments in proptest::collection::vec(proptest::sample::select(ARGUMENTS), 0..5),
    ) {
        let names = crate::template::functions::names();
        let name = names[function % names.len()];
        let source = format!("{{{{ {name} {} }}}}", arguments.join(" "));
        let template = Template::parse(&source).unwrap();
        let data = Data(vec![("Value", crate::template::Value::Text(b"a\xff ,1".to_vec()))]);
        drop(template.render(&data, &mut Vec::new()));
    }
}

const WORDS: &[&str] = &[
    ".Value",
    "|",
    "ToUpper",
    "(",
    ")",
    "\"a\"",
    "1",
    "-1",
    "list",
    "dict",
    "index",
    "printf",
    "\"%5.3d %[2]*q\"",
    "$x",
    ":=",
    "nil",
    "}}{{",
    "if",
    "range",
    "end",
    "else",
    "with",
    ".",
];

const ARGUMENTS: &[&str] = &[
    ".Value",
    "\"\"",
    "\"ä b_C-d\"",
    "\"(a|b)*\"",
    "\"%v %d\"",
    "0",
    "1",
    "-1",
    "3.5",
    "nil",
    "true",
    "9223372036854775807",
    "-9223372036854775807",
    "(list)",
    "(list 1 \"a\" nil)",
    "(dict \"k\" 1)",
    "now",
    "1e300",
    "\"https://u@h:1/p?q#f\"",
    "\"2006-01-02\"",
];

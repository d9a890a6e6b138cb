//! Which functions a template of Promtail can call, and what becomes of each here.

use std::collections::BTreeSet;

use crate::template::Template;
use crate::template::functions::{Lookup, lookup, names};

const GO: &str = "and call eq ge gt html index js le len lt ne not or print printf println slice \
                  urlquery";

const PROMTAIL: &str = "Hash Replace Sha2Hash ToLower ToUpper Trim TrimLeft TrimPrefix TrimRight \
                        TrimSpace TrimSuffix regexReplaceAll regexReplaceAllLiteral";

/// Sprig 3.3.0, without those that Promtail has itself.
const SPRIG: &str = "abbrev abbrevboth add add1 add1f addf adler32sum ago all any append atoi b32dec \
    b32enc b64dec b64enc base bcrypt biggest buildCustomCert camelcase cat ceil chunk clean coalesce \
    compact concat contains date dateInZone dateModify date_in_zone date_modify decryptAES deepCopy \
    deepEqual default derivePassword dict dig dir div divf duration durationRound empty encryptAES \
    env expandenv ext fail first float64 floor fromJson genCA genCAWithKey genPrivateKey \
    genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey get getHostByName \
    has hasKey hasPrefix hasSuffix hello htmlDate htmlDateInZone htpasswd indent initial initials int \
    int64 isAbs join kebabcase keys kindIs kindOf last list lower max maxf merge mergeOverwrite min \
    minf mod mul mulf mustAppend mustChunk mustCompact mustDateModify mustDeepCopy mustFirst \
    mustFromJson mustHas mustInitial mustLast mustMerge mustMergeOverwrite mustPrepend mustPush \
    mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll mustRegexReplaceAllLiteral \
    mustRegexSplit mustRest mustReverse mustSlice mustToDate mustToJson mustToPrettyJson \
    mustToRawJson mustUniq mustWithout must_date_modify nindent nospace now omit osBase osClean osDir \
    osExt osIsAbs pick pluck plural prepend push quote randAlpha randAlphaNum randAscii randBytes \
    randInt randNumeric regexFind regexFindAll regexMatch regexQuoteMeta regexSplit repeat replace \
    rest reverse round semver semverCompare seq set sha1sum sha256sum sha512sum shuffle slice \
    snakecase sortAlpha split splitList splitn squote sub subf substr swapcase ternary title toDate \
    toDecimal toJson toPrettyJson toRawJson toString toStrings trim trimAll trimPrefix trimSuffix \
    trimall trunc tuple typeIs typeIsLike typeOf uniq unixEpoch unset until untilStep untitle upper \
    urlJoin urlParse uuidv4 values without wrap wrapWith";

/// Left out on purpose: keys and passwords, the host's environment and network, and the one whose
/// value is an object with methods.
const REFUSED: &str = "bcrypt buildCustomCert decryptAES derivePassword encryptAES env expandenv genCA \
    genCAWithKey genPrivateKey genSelfSignedCert genSelfSignedCertWithKey genSignedCert \
    genSignedCertWithKey getHostByName htpasswd randBytes semver";

/// Ours.
const EXTRA: &str = "md5sum";

fn set(text: &'static str) -> BTreeSet<&'static str> {
    text.split_whitespace().collect()
}

#[test]
fn every_function_of_promtail_is_there_or_refused_by_name() {
    assert_eq!(set(SPRIG).len(), 209);
    let all: BTreeSet<_> =
        [GO, PROMTAIL, SPRIG].into_iter().flat_map(str::split_whitespace).collect();
    let refused = set(REFUSED);
    for name in &all {
        match lookup(name) {
            Lookup::Found(_) => assert!(!refused.contains(name), "{name} is there"),
            Lookup::Refused(_) => assert!(refused.contains(name), "{name} is missing"),
            Lookup::Unknown => panic!("{name} is unknown"),
        }
    }
    let known: BTreeSet<_> = names().into_iter().collect();
    assert_eq!(known.difference(&all).copied().collect::<BTreeSet<_>>(), set(EXTRA));
}

#[test]
fn what_is_refused_is_refused_before_a_line_is_read() {
    for name in set(REFUSED) {
        let error = Template::parse(&format!("{{{{ {name} \"a\" }}}}")).unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
    let unknown = Template::parse("{{ toUpper .Value }}").unwrap_err().to_string();
    assert!(unknown.contains("\"toUpper\" not defined"), "{unknown}");
}

//! How the page looks: light and dark as the reader's system has it, and readable on a phone.

pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--fg:#1b1f24;--dim:#5b6470;--bg:#fff;--card:#f5f7f9;--line:#d5dae0;
--critical:#b3261e;--error:#a84300;--warning:#7a5b00;--info:#2f5d8a;--good:#1d6b3a}
@media(prefers-color-scheme:dark){:root{--fg:#e4e8ec;--dim:#9aa4af;--bg:#14181c;--card:#1d2329;
--line:#343c45;--critical:#ff8a80;--error:#ffab70;--warning:#e6c35c;--info:#8ab8e6;--good:#7bd19b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--bg);color:var(--fg);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .5rem}
p{margin:.3rem 0}.dim{color:var(--dim);font-size:.875rem}
.card{border:1px solid var(--line);border-left:.35rem solid var(--info);border-radius:.4rem;
background:var(--card);padding:.6rem .8rem;margin:.6rem 0}
.critical{border-left-color:var(--critical)}.error{border-left-color:var(--error)}
.warning{border-left-color:var(--warning)}
.critical .severity{color:var(--critical)}.error .severity{color:var(--error)}
.warning .severity{color:var(--warning)}.info .severity{color:var(--info)}
.severity{font-weight:700;text-transform:uppercase;font-size:.8rem;letter-spacing:.04em}
.name{font-weight:650}
summary{cursor:pointer;color:var(--dim);font-size:.875rem;padding:.3rem 0}
ol{list-style:none;margin:0;padding:0;font-size:.875rem}
li{display:grid;grid-template-columns:12.5rem 1fr;gap:.6rem;padding:.15rem 0;
border-top:1px solid var(--line)}
time{color:var(--dim);font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{padding:.35rem .5rem;border-bottom:1px solid var(--line);text-align:right;
font-variant-numeric:tabular-nums;white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:11rem}
td.proposal{text-align:left;white-space:normal;color:var(--good);border-bottom-width:2px}
a{color:var(--info)}
@media(max-width:40rem){body{padding:.6rem}li{grid-template-columns:1fr;gap:0}}
";

//! The table of functions: the checker accepts what is in it, error messages and the documentation are made from it.

/// A function of the language.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is written: `text.size()` after a value, `abs(x)` before one.
    pub usage: &'static str,
    /// The type of its result; `like x` when that is the type of an argument.
    pub result: &'static str,
    /// What it gives.
    pub meaning: &'static str,
    /// Whether it is an addition of ours to the standard functions of CEL.
    pub addition: bool,
    pub(crate) style: Style,
    pub(crate) arguments: (usize, usize),
}

/// Where the first argument stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `f(x)`
    Before,
    /// `x.f()`
    After,
    /// Either.
    Both,
}

const MANY: usize = 64;

macro_rules! functions {
    ($($name:literal $style:ident $min:literal..=$max:tt $usage:literal -> $result:literal $origin:ident $meaning:literal)*) => {
        &[$(Function {
            name: $name,
            usage: $usage,
            result: $result,
            meaning: $meaning,
            addition: functions!(@addition $origin),
            style: Style::$style,
            arguments: ($min, functions!(@max $max)),
        }),*]
    };
    (@addition cel) => { false };
    (@addition ours) => { true };
    (@max many) => { MANY };
    (@max $max:literal) => { $max };
}

/// Every function, in the order of the documentation. Arguments are counted with the value before the dot.
#[rustfmt::skip]
pub const FUNCTIONS: &[Function] = functions! {
    "size" Both 1..=1 "text.size(), size(list)" -> "int" cel "number of characters of a text or elements of a list"
    "startsWith" After 2..=2 "text.startsWith(prefix)" -> "bool" cel "whether a text begins with another"
    "endsWith" After 2..=2 "text.endsWith(suffix)" -> "bool" cel "whether a text ends with another"
    "contains" After 2..=2 "text.contains(part)" -> "bool" cel "whether a text contains another"
    "lowerAscii" After 1..=1 "text.lowerAscii()" -> "text" cel "the text with A to Z in lower case"
    "upperAscii" After 1..=1 "text.upperAscii()" -> "text" cel "the text with a to z in upper case"
    "trim" After 1..=1 "text.trim()" -> "text" cel "the text without white space at its ends"
    "bool" Before 1..=1 "bool(text)" -> "bool" cel "true for `true`, `True`, `TRUE`, `t`, `1`; false for `false`, `False`, `FALSE`, `f`, `0`; else null"
    "int" Before 1..=1 "int(x)" -> "int" cel "a float cut towards zero, a text read, a bool as 0 or 1, a timestamp in seconds since 1970"
    "double" Before 1..=1 "double(x)" -> "float" cel "an int widened, a text read, a bool as 0 or 1"
    "string" Before 1..=1 "string(x)" -> "text" cel "a bool, number or timestamp as text"
    "coalesce" Before 1..=many "coalesce(a, b, ...)" -> "like a" ours "the first of its arguments that is not null"
    "min" Before 1..=many "min(a, b, ...), min(list)" -> "like a" ours "the least of several numbers, timestamps or durations, or of the numbers of a list"
    "max" Before 1..=many "max(a, b, ...), max(list)" -> "like a" ours "the greatest of them"
    "sum" Before 1..=1 "sum(list)" -> "float" ours "the sum of the numbers of a list, 0 for none"
    "mean" Before 1..=1 "mean(list)" -> "float" ours "the mean of the numbers of a list, null for none"
    "abs" Before 1..=1 "abs(x)" -> "like x" ours "the absolute value of a number or duration"
    "sign" Before 1..=1 "sign(x)" -> "like x" ours "-1, 0 or 1"
    "div" Before 2..=2 "div(a, b)" -> "int" ours "the quotient of two ints, cut towards zero; null if the second is 0"
    "log" Before 1..=1 "log(x)" -> "float" ours "the natural logarithm; NaN below 0"
    "log1p" Before 1..=1 "log1p(x)" -> "float" ours "log(1 + x), exact for small x"
    "log10" Before 1..=1 "log10(x)" -> "float" ours "the decimal logarithm; NaN below 0"
    "exp" Before 1..=1 "exp(x)" -> "float" ours "e to the power of x"
    "pow" Before 2..=2 "pow(x, y)" -> "float" ours "x to the power of y"
    "sqrt" Before 1..=1 "sqrt(x)" -> "float" ours "the square root; NaN below 0"
    "floor" Before 1..=1 "floor(x)" -> "float" ours "the greatest whole number not above x"
    "ceil" Before 1..=1 "ceil(x)" -> "float" ours "the least whole number not below x"
    "round" Before 1..=1 "round(x)" -> "float" ours "the nearest whole number, halves away from 0"
    "isNaN" Before 1..=1 "isNaN(x)" -> "bool" ours "whether a number is not a number, such as 0.0 / 0.0"
    "isFinite" Before 1..=1 "isFinite(x)" -> "bool" ours "whether a number is neither NaN nor infinite"
    "timestamp" Before 1..=1 "timestamp(x)" -> "timestamp" cel "a text in RFC 3339, or an int of seconds since 1970, as a point in time"
    "duration" Before 1..=1 "duration(\"1h30m\")" -> "duration" cel "a length of time: units d (ours), h, m, s, ms, us, ns; the text must be a constant"
    "getFullYear" After 1..=2 "time.getFullYear()" -> "int" cel "the year"
    "getMonth" After 1..=2 "time.getMonth()" -> "int" cel "the month; 0 is January"
    "getDate" After 1..=2 "time.getDate()" -> "int" cel "the day of the month, from 1"
    "getDayOfMonth" After 1..=2 "time.getDayOfMonth()" -> "int" cel "the day of the month, from 0"
    "getDayOfWeek" After 1..=2 "time.getDayOfWeek()" -> "int" cel "the day of the week; 0 is Sunday"
    "getDayOfYear" After 1..=2 "time.getDayOfYear()" -> "int" cel "the day of the year, from 0"
    "getHours" After 1..=2 "time.getHours(), time.getHours(zone)" -> "int" cel "the hour of a timestamp, 0 to 23, or the whole hours of a duration"
    "getMinutes" After 1..=2 "time.getMinutes()" -> "int" cel "the minute of a timestamp, 0 to 59, or the whole minutes of a duration"
    "getSeconds" After 1..=2 "time.getSeconds()" -> "int" cel "the second of a timestamp, 0 to 59, or the whole seconds of a duration"
    "getMilliseconds" After 1..=2 "time.getMilliseconds()" -> "int" cel "the milliseconds of a timestamp, 0 to 999"
};

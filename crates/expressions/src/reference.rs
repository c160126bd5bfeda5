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
    /// When it is null besides when an argument is, or instead; empty if it never is.
    pub null: &'static str,
    /// What its time grows with.
    pub cost: Cost,
    /// Whether it is an addition of ours to the standard functions of CEL.
    pub addition: bool,
    pub(crate) style: Style,
    pub(crate) arguments: (usize, usize),
}

/// What the time of a function grows with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// With nothing.
    Constant,
    /// With the number of arguments.
    Arguments,
    /// With the length of the text.
    Length,
    /// With the product of the lengths of two texts.
    Lengths,
    /// With the number of elements of the list.
    Elements,
    /// With the logarithm of the number of elements.
    Logarithm,
}

impl Cost {
    /// The word for it in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Cost::Constant => "constant",
            Cost::Arguments => "arguments",
            Cost::Length => "length",
            Cost::Lengths => "length × length",
            Cost::Elements => "elements",
            Cost::Logarithm => "log elements",
        }
    }
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
    ($($name:literal $style:ident $min:literal..=$max:tt $usage:literal -> $result:literal $origin:ident $cost:ident $meaning:literal null $null:literal)*) => {
        &[$(Function {
            name: $name,
            usage: $usage,
            result: $result,
            meaning: $meaning,
            null: $null,
            cost: Cost::$cost,
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
    "size" Both 1..=1 "text.size(), size(list)" -> "int" cel Length "number of characters of a text or elements of a list" null ""
    "startsWith" After 2..=2 "text.startsWith(prefix)" -> "bool" cel Length "whether a text begins with another" null ""
    "endsWith" After 2..=2 "text.endsWith(suffix)" -> "bool" cel Length "whether a text ends with another" null ""
    "contains" After 2..=2 "text.contains(part)" -> "bool" cel Length "whether a text contains another" null ""
    "lowerAscii" After 1..=1 "text.lowerAscii()" -> "text" cel Length "the text with A to Z in lower case" null ""
    "upperAscii" After 1..=1 "text.upperAscii()" -> "text" cel Length "the text with a to z in upper case" null ""
    "trim" After 1..=1 "text.trim()" -> "text" cel Length "the text without white space at its ends" null ""
    "matches" Both 2..=2 "text.matches(pattern)" -> "bool" cel Lengths "whether a part of a text fits a [regular expression](#regular-expressions), which must be a constant" null ""
    "split" After 2..=2 "text.split(separator)" -> "list" cel Length "the parts of a text between separators; its characters, if the separator is empty" null ""
    "similarity" Before 2..=3 "similarity(a, b), similarity(a, b, \"damerau_levenshtein\")" -> "float" ours Lengths "how alike the first 128 characters of two texts are, from 0 to 1 for equal ones: by Jaro and Winkler, or 1 less the edit distance (insertions, deletions, substitutions, transpositions) as a share of the longer text" null ""
    "email_domain" Before 1..=1 "email_domain(address)" -> "text" ours Length "what follows the last `@`, in lower case" null "if nothing stands before or after an `@`"
    "luhn" Before 1..=1 "luhn(text)" -> "bool" ours Length "whether a text is digits of which the last is right by the Luhn formula; blanks and hyphens do not count" null ""
    "ip_in" Before 2..=2 "ip_in(address, \"192.0.2.0/24\"), ip_in(address, networks)" -> "bool" ours Logarithm "whether an IP address (4 or 6) lies in a network, or in one of a list of them, which must be constants" null "for a text that is no address"
    "ip_network" Before 2..=3 "ip_network(address, 24), ip_network(address, 24, 56)" -> "text" ours Constant "the network of an IP address by the number of its leading bits, of IPv4 and of IPv6 (64 unless given), as in `192.0.2.0/24`" null "for a text that is no address"
    "haversine_km" Before 4..=4 "haversine_km(lat1, lon1, lat2, lon2)" -> "float" ours Constant "the distance of two places in kilometres, on a sphere with the earth's mean radius; latitudes and longitudes in degrees" null "for a latitude beyond ±90 or a longitude beyond ±180"
    "exists" After 3..=3 "list.exists(x, x > 1)" -> "bool" cel Elements "whether a condition holds for an element of a list: one of the row, a constant one or its name" null "if it holds for none and is null for one"
    "all" After 3..=3 "list.all(x, x > 1)" -> "bool" cel Elements "whether a condition holds for all elements of a list" null "if it is false for none and null for one"
    "bool" Before 1..=1 "bool(text)" -> "bool" cel Constant "true for `true`, `True`, `TRUE`, `t`, `1`; false for `false`, `False`, `FALSE`, `f`, `0`" null "for another text"
    "int" Before 1..=1 "int(x)" -> "int" cel Length "a float cut towards zero, a text read, a bool as 0 or 1, a timestamp in seconds since 1970" null "for a float beyond 64 bits or not a number, and a text that is no int"
    "double" Before 1..=1 "double(x)" -> "float" cel Length "an int widened, a text read, a bool as 0 or 1" null "for a text that is no number"
    "string" Before 1..=1 "string(x)" -> "text" cel Constant "a bool, number or timestamp as text" null "for a timestamp beyond the years -9999 to 9999"
    "coalesce" Before 1..=many "coalesce(a, b, ...)" -> "like a" ours Arguments "the first of its arguments that is not null" null "exactly if all arguments are"
    "min" Before 1..=many "min(a, b, ...), min(list)" -> "like a" ours Elements "the least of several numbers, timestamps or durations, or of the numbers of a list" null "for a list without numbers"
    "max" Before 1..=many "max(a, b, ...), max(list)" -> "like a" ours Elements "the greatest of them" null "for a list without numbers"
    "sum" Before 1..=1 "sum(list)" -> "float" ours Elements "the sum of the numbers of a list, 0 for none" null ""
    "mean" Before 1..=1 "mean(list)" -> "float" ours Elements "the mean of the numbers of a list" null "for a list without numbers"
    "abs" Before 1..=1 "abs(x)" -> "like x" ours Constant "the absolute value of a number or duration" null "for the least int"
    "sign" Before 1..=1 "sign(x)" -> "like x" ours Constant "-1, 0 or 1" null ""
    "div" Before 2..=2 "div(a, b)" -> "int" ours Constant "the quotient of two ints, cut towards zero" null "if the second is 0, or the quotient does not fit"
    "log" Before 1..=1 "log(x)" -> "float" ours Constant "the natural logarithm; NaN below 0" null ""
    "log1p" Before 1..=1 "log1p(x)" -> "float" ours Constant "log(1 + x), exact for small x" null ""
    "log10" Before 1..=1 "log10(x)" -> "float" ours Constant "the decimal logarithm; NaN below 0" null ""
    "exp" Before 1..=1 "exp(x)" -> "float" ours Constant "e to the power of x" null ""
    "pow" Before 2..=2 "pow(x, y)" -> "float" ours Constant "x to the power of y" null ""
    "sqrt" Before 1..=1 "sqrt(x)" -> "float" ours Constant "the square root; NaN below 0" null ""
    "floor" Before 1..=1 "floor(x)" -> "float" ours Constant "the greatest whole number not above x" null ""
    "ceil" Before 1..=1 "ceil(x)" -> "float" ours Constant "the least whole number not below x" null ""
    "round" Before 1..=1 "round(x)" -> "float" ours Constant "the nearest whole number, halves away from 0" null ""
    "isNaN" Before 1..=1 "isNaN(x)" -> "bool" ours Constant "whether a number is not a number, such as 0.0 / 0.0" null ""
    "isFinite" Before 1..=1 "isFinite(x)" -> "bool" ours Constant "whether a number is neither NaN nor infinite" null ""
    "timestamp" Before 1..=1 "timestamp(x)" -> "timestamp" cel Length "a text in RFC 3339, or an int of seconds since 1970, as a point in time" null "for a text that is no timestamp, and an int that does not fit"
    "duration" Before 1..=1 "duration(\"1h30m\")" -> "duration" cel Constant "a length of time: units d (ours), h, m, s, ms, us, ns; the text must be a constant" null ""
    "getFullYear" After 1..=2 "time.getFullYear()" -> "int" cel Constant "the year" null ""
    "getMonth" After 1..=2 "time.getMonth()" -> "int" cel Constant "the month; 0 is January" null ""
    "getDate" After 1..=2 "time.getDate()" -> "int" cel Constant "the day of the month, from 1" null ""
    "getDayOfMonth" After 1..=2 "time.getDayOfMonth()" -> "int" cel Constant "the day of the month, from 0" null ""
    "getDayOfWeek" After 1..=2 "time.getDayOfWeek()" -> "int" cel Constant "the day of the week; 0 is Sunday" null ""
    "getDayOfYear" After 1..=2 "time.getDayOfYear()" -> "int" cel Constant "the day of the year, from 0" null ""
    "getHours" After 1..=2 "time.getHours(), time.getHours(zone)" -> "int" cel Constant "the hour of a timestamp, 0 to 23, or the whole hours of a duration" null ""
    "getMinutes" After 1..=2 "time.getMinutes()" -> "int" cel Constant "the minute of a timestamp, 0 to 59, or the whole minutes of a duration" null ""
    "getSeconds" After 1..=2 "time.getSeconds()" -> "int" cel Constant "the second of a timestamp, 0 to 59, or the whole seconds of a duration" null ""
    "getMilliseconds" After 1..=2 "time.getMilliseconds()" -> "int" cel Constant "the milliseconds of a timestamp, 0 to 999" null ""
};

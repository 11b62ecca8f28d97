"""The words of quantities: units with their spellings, currencies, scale words, and words that are no units."""

from __future__ import annotations

__all__ = ["CURRENCIES", "FUNCTIONS", "SCALES", "STOP_WORDS", "UNITS"]

_SPELLINGS = {
    # canonical: spellings, lower case, singular. A spelling may stand for two units ("pound").
    "mm": "mm millimeter millimetre 毫米",
    "cm": "cm centimeter centimetre 厘米 公分",
    "m": "m meter metre 米 公尺",
    "km": "km kilometer kilometre 千米 公里",
    "in": "in inch inches 英寸",
    "ft": "ft foot feet 英尺",
    "yd": "yd yard 码",
    "mi": "mi mile 英里",
    "mg": "mg milligram 毫克",
    "g": "g gram gramme 克",
    "kg": "kg kilogram kilo 千克 公斤",
    "t": "t ton tonne 吨",
    "lb": "lb lbs pound 磅",
    "oz": "oz ounce 盎司",
    "ml": "ml milliliter millilitre 毫升",
    "l": "l liter litre 升",
    "ms": "ms millisecond 毫秒",
    "s": "s sec second 秒",
    "min": "min minute 分钟",
    "h": "h hr hour 小时",
    "day": "d day 天 日",
    "week": "week 周 星期",
    "month": "month 月 个月",
    "year": "y yr year 年 岁",
    "ha": "ha hectare 公顷",
    "m^2": "m^2 sqm 平方米",
    "km^2": "km^2 平方公里 平方千米",
    "m^3": "m^3 立方米",
    "km/h": "km/h kmh kph 公里/小时",
    "m/s": "m/s 米/秒",
    "mph": "mph",
    "hz": "hz hertz 赫兹",
    "khz": "khz",
    "mhz": "mhz",
    "ghz": "ghz",
    "w": "w watt 瓦",
    "kw": "kw kilowatt 千瓦",
    "mw": "mw megawatt 兆瓦",
    "kwh": "kwh 千瓦时",
    "j": "j joule 焦耳",
    "kb": "kb kilobyte",
    "mb": "mb megabyte",
    "gb": "gb gigabyte",
    "tb": "tb terabyte",
    "degree": "degree ° 度",
    "celsius": "celsius °c 摄氏度",
    "fahrenheit": "fahrenheit °f 华氏度",
    "percentage point": "percentagepoint pp 百分点 个百分点",
    "usd": "usd dollar us$ us-dollar usdollar 美元 美金",
    "eur": "eur euro 欧元",
    "gbp": "gbp pound sterling poundsterling poundssterling 英镑",
    "cny": "cny rmb yuan 元 人民币 块 元人民币",
    "jpy": "jpy yen 日元",
    "inr": "inr rupee 卢比",
    "krw": "krw won 韩元",
    "hkd": "hkd hk$ 港元 港币",
    "cent": "cent ¢",
}
UNITS: dict[str, frozenset[str]] = {}
"""Canonical units by spelling; several where a spelling is ambiguous."""
for _name, _spellings in _SPELLINGS.items():
    for _spelling in _spellings.split():
        UNITS[_spelling] = UNITS.get(_spelling, frozenset()) | {_name}
CURRENCIES = {
    "$": {"usd", "hkd"},
    "us$": {"usd"},
    "hk$": {"hkd"},
    "€": {"eur"},
    "£": {"gbp"},
    "¥": {"cny", "jpy"},
    "₹": {"inr"},
    "₩": {"krw"},
    "usd": {"usd"},
    "eur": {"eur"},
    "gbp": {"gbp"},
    "cny": {"cny"},
    "rmb": {"cny"},
    "jpy": {"jpy"},
    "人民币": {"cny"},
}
SCALES = {
    "hundred": 2,
    "thousand": 3,
    "million": 6,
    "mn": 6,
    "billion": 9,
    "bn": 9,
    "trillion": 12,
    "tn": 12,
    "百": 2,
    "千": 3,
    "万": 4,
    "萬": 4,
    "十万": 5,
    "百万": 6,
    "千万": 7,
    "万万": 8,
    "亿": 8,
    "億": 8,
    "十亿": 9,
    "百亿": 10,
    "千亿": 11,
    "万亿": 12,
}

_STOP_WORDS = """
    of in on at is are was were be by for from to and or as that which who because since so but with per total overall
    altogether approximately about according times the a an it they this these those there
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that, right behind a number, show that it has no unit."""

_FUNCTIONS = """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt cbrt abs pi inf infty infinity mod
    min max gcd lcm det dim ker deg lim
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Words that belong to mathematics."""

"""How many decimals a currency has (ISO 4217 minor units).

Units of account without minor units (gold, test codes, drawing rights) are left out on purpose:
nobody buys shoes in them. Codes withdrawn since 2010 stay, because back-fills carry old orders.
"""

from typing import Final

_NONE: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
    CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL
    MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR
    PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
    TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_THREE: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR: Final = "CLF UYW"
_WITHDRAWN_NONE: Final = "BYR"
_WITHDRAWN_TWO: Final = "ANG BGN CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL"

MINOR_DIGITS: Final[dict[str, int]] = {
    code: digits
    for codes, digits in (
        (_NONE + " " + _WITHDRAWN_NONE, 0),
        (_TWO + " " + _WITHDRAWN_TWO, 2),
        (_THREE, 3),
        (_FOUR, 4),
    )
    for code in codes.split()
}
"""Currency code to the number of its decimals: EUR 2, JPY 0, KWD 3."""

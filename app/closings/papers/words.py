"""The words on statements, in the languages of the people who get them. Pure."""

from typing import Literal

Locale = Literal["zh", "en"]

WORDS: dict[str, dict[Locale, str]] = {
    "statement": {"en": "Statement", "zh": "对账单"},
    "department_statement": {"en": "Department statement", "zh": "部门对账单"},
    "number": {"en": "Number", "zh": "编号"},
    "month": {"en": "Month", "zh": "月份"},
    "period": {"en": "Period", "zh": "账期"},
    "to": {"en": "For", "zh": "客户"},
    "erased": {"en": "(erased)", "zh": "（已删除）"},
    "wallet": {"en": "Account", "zh": "账户"},
    "department": {"en": "Department", "zh": "部门"},
    "currency": {"en": "Currency", "zh": "币种"},
    "previous": {"en": "Statement before", "zh": "上期编号"},
    "tax_id": {"en": "Tax id", "zh": "税号"},
    "summary": {"en": "Summary", "zh": "汇总"},
    "what": {"en": "Item", "zh": "项目"},
    "count": {"en": "Count", "zh": "笔数"},
    "amount": {"en": "Amount", "zh": "金额"},
    "opening": {"en": "Opening balance", "zh": "期初余额"},
    "closing": {"en": "Closing balance", "zh": "期末余额"},
    "late": {"en": "late, of earlier months", "zh": "补记，属以前月份"},
    "rerating": {"en": "Re-rating", "zh": "重新计价"},
    "by_link": {"en": "Charges by link", "zh": "按链接列示的费用"},
    "link": {"en": "Link", "zh": "链接"},
    "answers": {"en": "Answers", "zh": "回答数"},
    "charge": {"en": "Charge", "zh": "费用"},
    "by_model": {"en": "Charges by model", "zh": "按模型列示的费用"},
    "model": {"en": "Model", "zh": "模型"},
    "lines": {"en": "Calls", "zh": "调用次数"},
    "no_model": {"en": "without a model", "zh": "未注明模型"},
    "unexplained": {"en": "not of a single model", "zh": "不属于单个模型"},
    "total": {"en": "Total", "zh": "合计"},
    "entries": {"en": "Other changes", "zh": "其他变动"},
    "left_out": {"en": "further changes are in the summary only", "zh": "笔其他变动仅计入汇总"},
    "at": {"en": "Date", "zh": "日期"},
    "transaction": {"en": "Transaction", "zh": "交易号"},
    "reverses": {"en": "reverses", "zh": "冲销"},
    "credit": {"en": "Granted and paid credit", "zh": "赠送额度与已付额度"},
    "charged_to_granted": {"en": "Charges met by granted credit", "zh": "由赠送额度支付的费用"},
    "charged_to_paid": {"en": "Charges met by paid credit", "zh": "由已付额度支付的费用"},
    "breakage": {"en": "Granted credit that lapsed unused", "zh": "未用完而失效的赠送额度"},
    "closing_granted": {"en": "Closing balance: granted credit", "zh": "期末余额：赠送额度"},
    "closing_paid": {"en": "Closing balance: paid credit", "zh": "期末余额：已付额度"},
    "grants": {"en": "Credit granted, one by one", "zh": "赠送额度明细"},
    "grant": {"en": "Credit", "zh": "额度"},
    "grant_opening": {"en": "Before", "zh": "期初剩余"},
    "grant_given": {"en": "Given", "zh": "本期赠送"},
    "grant_spent": {"en": "Spent", "zh": "本期使用"},
    "grant_lapsed": {"en": "Lapsed", "zh": "本期失效"},
    "grant_closing": {"en": "Left", "zh": "期末剩余"},
    "grant_of_code": {"en": "Credit of a redeemed code", "zh": "兑换码赠送额度"},
    "grant_until": {"en": "until and including", "zh": "有效期至（含）"},
    "grant_revoked": {"en": "revoked", "zh": "已收回"},
    "grant_of_plan": {"en": "Monthly credit of the plan", "zh": "套餐每月赠送额度"},
    "grant_of_operator": {"en": "Granted credit", "zh": "赠送额度"},
    "grants_left_out": {
        "en": "further grants are in the sums only",
        "zh": "笔其他赠送额度仅计入合计",
    },
    "members": {"en": "Members", "zh": "成员"},
    "member": {"en": "Member", "zh": "成员"},
    "hash": {"en": "SHA-256 of the statement’s content", "zh": "对账单内容的 SHA-256"},
    "page": {"en": "Page", "zh": "第"},
    "mail_subject": {"en": "Your statement for", "zh": "您的对账单："},
    "mail_text": {
        "en": "Your statement for the month is attached as a PDF.",
        "zh": "本月对账单见附件（PDF）。",
    },
}
KINDS: dict[str, dict[Locale, str]] = {
    "charge": {"en": "Charges for answers", "zh": "回答费用"},
    "top_up": {"en": "Top-ups", "zh": "充值"},
    "redemption": {"en": "Redeemed codes", "zh": "兑换码"},
    "adjustment": {"en": "Adjustments", "zh": "调整"},
    "refund": {"en": "Refunds", "zh": "退款"},
    "reversal": {"en": "Reversals", "zh": "冲销"},
    "grant": {"en": "Credit granted", "zh": "赠送额度"},
    "expiry": {"en": "Credit expired", "zh": "额度到期"},
}
"""Of transactions; a kind that is not here is shown by its name."""


def word(name: str, locale: Locale) -> str:
    return WORDS[name][locale]


def kind(name: str, locale: Locale) -> str:
    said = KINDS.get(name)
    return name if said is None else said[locale]

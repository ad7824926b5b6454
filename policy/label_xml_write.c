/* A label in the XML of STANAG 4774, in its canonical form. */
#include "policy/label_xml.h"
#include "policy/page.h"

/* Text and attribute values as Canonical XML 1.0 writes them; in text '"', tab and LF stand as they
 * are. */
static void
put_escaped(struct page *p, struct bytes text, bool attribute)
{
	static const struct {
		char c;
		const char *in_text, *in_attribute;
	} special[] = { { '&', "&amp;", "&amp;" }, { '<', "&lt;", "&lt;" }, { '>', "&gt;", ">" },
		{ '\r', "&#xD;", "&#xD;" }, { '"', "\"", "&quot;" }, { '\t', "\t", "&#x9;" },
		{ '\n', "\n", "&#xA;" } };
	for (size_t i = 0; i < text.len; i++) {
		const char *as = NULL;
		for (size_t k = 0; k < sizeof(special) / sizeof(special[0]); k++)
			if (text.data[i] == (uint8_t)special[k].c)
				as = attribute ? special[k].in_attribute : special[k].in_text;
		if (as != NULL)
			page_add(p, as);
		else
			page_put(p, (const char *)text.data + i, 1);
	}
}

/* "<NAME>text</NAME>" with its indent. */
static void
put_element(struct page *p, const char *indent, const char *name, struct bytes text)
{
	page_add(p, indent);
	page_add(p, "<");
	page_add(p, name);
	page_add(p, ">");
	put_escaped(p, text, false);
	page_add(p, "</");
	page_add(p, name);
	page_add(p, ">\n");
}

/* Only an object identifier may stand in the URI, which nothing requires. */
static bool
is_oid(struct bytes id)
{
	for (size_t i = 0; i < id.len; i++)
		if ((id.data[i] < '0' || id.data[i] > '9') && id.data[i] != '.')
			return false;
	return id.len != 0;
}

/* Attributes stand in the order of their names, and URI is the last of all. */
static void
put_uri(struct page *p, struct bytes id)
{
	if (!is_oid(id))
		return;
	page_add(p, " URI=\"urn:oid:");
	page_bytes(p, id);
	page_add(p, "\"");
}

static bool
has_any(const struct label *l, const struct vocab_category *c)
{
	for (uint32_t w = 0; w < l->vocab->words; w++)
		if ((l->values[w] & c->mask[w]) != 0)
			return true;
	return false;
}

static void
put_category(struct page *p, const struct label *l, uint32_t category)
{
	static const char *const types[] = { "", "RESTRICTIVE", "PERMISSIVE", "INFORMATIVE" };
	const struct vocab *v = l->vocab;
	const struct vocab_category *c = &v->categories[category];
	if (!has_any(l, c))
		return;
	page_add(p, "    <Category TagName=\"");
	put_escaped(p, v->tagsets[c->tagset].name, true);
	page_add(p, "\" Type=\"");
	page_add(p, types[c->type]);
	page_add(p, "\"");
	put_uri(p, v->tagsets[c->tagset].id);
	page_add(p, ">\n");
	for (uint32_t i = 0; i < v->value_count; i++)
		if (v->values[i].category == category && label_has_value(l, i))
			put_element(p, "      ", "GenericValue", v->values[i].name);
	page_add(p, "    </Category>\n");
}

static void
put_information(struct page *p, const struct label *l)
{
	const struct vocab *v = l->vocab;
	page_add(p, "  <ConfidentialityInformation>\n    <PolicyIdentifier");
	put_uri(p, v->id);
	page_add(p, ">");
	put_escaped(p, v->name, false);
	page_add(p, "</PolicyIdentifier>\n");
	put_element(p, "    ", "Classification", v->classes[l->classification].name);
	for (uint32_t i = 0; i < v->category_count; i++)
		put_category(p, l, i);
	page_add(p, "  </ConfidentialityInformation>\n");
}

/* A moment as xs:dateTime, in full. */
static const char *
date_time(struct arena *a, uint64_t us)
{
	const char *day = text_day(a, us);
	unsigned s = (unsigned)(us / 1000000 % 86400);
	return day == NULL
		   ? NULL
		   : arena_printf(a, "%sT%02u:%02u:%02uZ", day, s / 3600, s / 60 % 60, s % 60);
}

bool
label_xml_write(struct arena *a, const struct label *l, const struct label_xml_dates *dates,
    struct bytes *out, struct err *e)
{
	struct page p = { .arena = a };
	const char *created = date_time(a, dates->created);
	const char *review = dates->review == 0 ? "" : date_time(a, dates->review);
	if (created == NULL || review == NULL)
		return err_set(e, ERR_NOMEM, "label");
	page_add(&p, "<originatorConfidentialityLabel xmlns=\"" LABEL_XML_NAMESPACE "\"");
	if (*review != 0) {
		page_add(&p, " ReviewDateTime=\"");
		page_add(&p, review);
		page_add(&p, "\"");
	}
	page_add(&p, ">\n");
	put_information(&p, l);
	put_element(&p, "  ", "CreationDateTime", bytes_of(created));
	page_add(&p, "</originatorConfidentialityLabel>");
	if (p.failed)
		return err_set(e, ERR_NOMEM, "label");
	*out = bytes_from(p.text, p.len);
	return true;
}

/* The SPIF schema as far as a table can say it: which element holds which, with which attributes.
 * An element that we do not know might be a constraint, so it is an error; only the marking family
 * decides nothing and is let off with a warning. */
#include "policy/spif_parts.h"

struct shape {
	const char *element;
	const char *children;	/* in the order of the schema; NULL: not looked into */
	const char *needs;	/* attributes that the schema requires; some of them we do, too */
	const char *attributes; /* more that it knows */
	bool strict;		/* an unknown attribute is an error */
};

static const struct shape shapes[] = {
	{ "SPIF",
	    "defaultSecurityPolicyId securityPolicyId updateInfo securityClassifications "
	    "securityCategoryTagSets privacyMarks equivalentPolicies markingData markingQualifier "
	    "extensions",
	    "schemaVersion creationDate originatorDN keyIdentifier privilegeId rbacId",
	    "version userRefURI docRefURI notBefore notAfter", false },
	{ "defaultSecurityPolicyId", NULL, "name id", "", false },
	{ "securityPolicyId", "markingData markingQualifier", "name id", "", false },
	{ "updateInfo", NULL, "", "", false },
	{ "securityClassifications", "securityClassification markingData markingQualifier", "",
	    "name", false },
	{ "securityClassification",
	    "equivalentClassification markingData markingQualifier requiredCategory",
	    "name lacv hierarchy", "color obsolete", true },
	{ "equivalentClassification", NULL, "policyRef lacv applied", "", false },
	{ "securityCategoryTagSets", "securityCategoryTagSet", "", "", false },
	{ "securityCategoryTagSet",
	    "securityCategoryTag equivalentSecurityCategoryTagSet markingData markingQualifier",
	    "name id", "", false },
	{ "equivalentSecurityCategoryTagSet", NULL, "policyRef", "name id", false },
	{ "securityCategoryTag", "tagCategory markingData markingQualifier", "tagType",
	    "name enumType tag7Encoding singleSelection maxSelection minSelection", true },
	{ "tagCategory",
	    "equivalentSecCategoryTag markingData markingQualifier excludedClass requiredClass "
	    "requiredCategory excludedCategory",
	    "name lacv", "requiredClass obsolete userInput dateFormat notBefore notAfter", true },
	{ "equivalentSecCategoryTag", NULL, "policyRef tagSetId tagType lacv applied",
	    "enumType action", false },
	{ "excludedClass", "", "", "", true },
	{ "requiredClass", "", "", "", true },
	{ "requiredCategory", "categoryGroup", "operation", "", true },
	{ "categoryGroup", "", "tagSetRef tagType", "enumType lacv all", true },
	{ "excludedCategory", "", "tagSetRef tagType", "enumType lacv all", true },
	{ "privacyMarks", NULL, "", "maxSelection minSelection", false },
	{ "equivalentPolicies", NULL, "", "", false },
	{ "markingData", "code", "", "phrase", false },
	{ "code", "", "", "", false },
	{ "markingQualifier", "qualifier", "markingCode", "", false },
	{ "qualifier", "", "markingQualifier qualifierCode", "", false },
	{ "extensions", NULL, "", "", false },
};

/* Which word of 'list' it is, from 1; 0: none. */
static unsigned
place_in(const char *list, struct bytes word)
{
	for (unsigned i = 1; *list != 0; i++) {
		size_t n = strcspn(list, " ");
		if (word.len == n && memcmp(list, word.data, n) == 0)
			return i;
		list += n + strspn(list + n, " ");
	}
	return 0;
}

static bool
listed(const char *list, struct bytes word)
{
	return place_in(list, word) != 0;
}

static const struct shape *
shape_of(struct bytes name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (bytes_is(name, shapes[i].element))
			return &shapes[i];
	return NULL;
}

static bool
check_attributes(struct spif *s, const struct xml_element *x, const struct shape *shape)
{
	bool ok = true;
	for (size_t i = 0; i < x->attribute_count; i++) {
		const struct xml_attribute *t = &x->attributes[i];
		if (t->ns.data != NULL || listed(shape->needs, t->name) ||
		    listed(shape->attributes, t->name))
			continue;
		if (shape->strict)
			ok = spif_error(s, x, "%s: unknown attribute '%.*s'", shape->element,
			    (int)t->name.len, (const char *)t->name.data);
		else
			spif_warn(s, x, "%s: unknown attribute '%.*s'", shape->element,
			    (int)t->name.len, (const char *)t->name.data);
	}
	return ok;
}

/* What the schema requires and no decision needs is a warning; the passes ask for the rest. */
static void
check_needs(struct spif *s, const struct xml_element *x, const struct shape *shape)
{
	for (const char *at = shape->needs; *at != 0;) {
		char name[32];
		size_t n = strcspn(at, " ");
		memcpy(name, at, n);
		name[n] = 0;
		if (xml_attribute(x, name) == NULL)
			spif_warn(s, x, "%s: the schema requires the attribute '%s'",
			    shape->element, name);
		at += n + strspn(at + n, " ");
	}
}

/* The order of elements means nothing here, and something to a validator. */
static void
check_order(struct spif *s, const struct xml_element *x, const struct shape *shape)
{
	unsigned last = 0;
	for (const struct xml_element *c = x->child; c != NULL; c = c->next) {
		unsigned place =
		    bytes_is(c->ns, SPIF_NAMESPACE) ? place_in(shape->children, c->name) : 0;
		if (place != 0 && place < last) {
			spif_warn(s, c, "%s: the schema wants '%.*s' earlier", shape->element,
			    (int)c->name.len, (const char *)c->name.data);
			return;
		}
		last = place > last ? place : last;
	}
}

static bool
is_marking(struct bytes name)
{
	return name.len >= 7 && memcmp(name.data, "marking", 7) == 0;
}

static bool
check_element(struct spif *s, const struct xml_element *x, const struct shape *shape)
{
	bool ok = check_attributes(s, x, shape);
	check_needs(s, x, shape);
	if (shape->children == NULL)
		return ok;
	check_order(s, x, shape);
	for (const struct xml_element *c = x->child; c != NULL; c = c->next) {
		int n = (int)c->name.len;
		const char *name = (const char *)c->name.data;
		if (c->ns.data == NULL)
			ok = spif_error(s, c, "element '%.*s' is in no namespace", n, name);
		else if (!bytes_is(c->ns, SPIF_NAMESPACE))
			spif_warn(s, c, "element '%.*s' of another namespace is ignored", n, name);
		else if (listed(shape->children, c->name))
			ok = check_element(s, c, shape_of(c->name)) && ok;
		else if (is_marking(c->name))
			spif_warn(s, c, "element '%.*s' cannot stand in %s; it is ignored", n, name,
			    shape->element);
		else
			ok = spif_error(
			    s, c, "element '%.*s' cannot stand in %s", n, name, shape->element);
	}
	return ok;
}

static bool
check_version(struct spif *s)
{
	const struct bytes *version = xml_attribute(s->root, "schemaVersion");
	if (version == NULL)
		return spif_error(
		    s, s->root, "schemaVersion is missing; 2.1, 2.0 and 1.0 are read");
	if (bytes_is(*version, "2.1") || bytes_is(*version, "2.0") || bytes_is(*version, "1.0"))
		return true;
	return spif_error(s, s->root, "schema version '%.*s' is not read; 2.1, 2.0 and 1.0 are",
	    (int)(version->len < 20 ? version->len : 20), (const char *)version->data);
}

bool
spif_shape(struct spif *s)
{
	const struct xml_element *x = s->root;
	if (!bytes_is(x->ns, SPIF_NAMESPACE)) {
		static const char help[] = "xmlns=\"" SPIF_NAMESPACE "\" is required";
		return text_error(s->errors, &x->pos, help, "%s",
		    x->ns.data == NULL ? "the SPIF is in no namespace"
				       : "the document is in another namespace than that of SPIFs");
	}
	if (!bytes_is(x->name, "SPIF"))
		return spif_error(s, x, "the root element is not SPIF");
	if (!check_version(s))
		return false;
	return check_element(s, x, &shapes[0]);
}

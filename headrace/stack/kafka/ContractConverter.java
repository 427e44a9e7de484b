package headrace.connect;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;

/**
 * Converts records to rows, as strictly as the contracts' own decoder (`headrace/contracts/decoding.py`): what it rejects
 * is rejected here, with a reason, and becomes a dead letter. Kafka's JsonConverter would read a text as 0.0, and accept
 * a NUL, for which PostgreSQL rejects the whole batch and the task fails. `tests/integration/test_decoders_agree.py`
 * compares both decoders.
 *
 * A record is read token by token: of a repeated key the last value counts, and a number in an unknown field may have
 * any length. Jackson's tree model would parse every number, in time quadratic in its digits.
 *
 * Only the current version of the contract is delivered: upcasters are Python. Headrace's processors write that version;
 * a record of another one becomes a dead letter, and `headrace dlq replay` writes it in the current version.
 *
 * `schema.content` is the result of `headrace.contracts.delivery.connect_schema`. Keys are plain text and become the one field
 * named by `field`, as the sink requires. For sinks only.
 */
public final class ContractConverter implements Converter {
    private static final int MAX_BYTES = 1_000_000;
    /** Same as `headrace.contracts.nesting.MAX_DEPTH`. */
    private static final int MAX_DEPTH = 32;
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxNumberLength(MAX_BYTES)
                    .maxNameLength(MAX_BYTES)
                    .build())
            // Names are untrusted input: they are not cached.
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .build();
    private static final Pattern TIME = Pattern.compile(
            "([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\\.([0-9]+))?(?:[Zz]|[+-]00:?00)");
    /** Same as `headrace.contracts.versions.VERSION_HEADER`. */
    private static final String VERSION_HEADER = "contract-version";
    private static final String FIRST_VERSION = "1";
    private static final int NANO_DIGITS = 9;
    private static final int HALF_A_MICRO = 500;

    private boolean isKey;
    private Schema schema;
    private int longestKey;
    private String version;

    @Override
    public void configure(Map<String, ?> configs, boolean isKey) {
        this.isKey = isKey;
        if (isKey) {
            longestKey = Integer.parseInt((String) configs.get("max.length"));
            schema = SchemaBuilder.struct().field((String) configs.get("field"), Schema.STRING_SCHEMA).build();
            return;
        }
        Object declared = configs.get("version");
        version = declared == null ? FIRST_VERSION : (String) declared;
        try (JsonConverter converter = new JsonConverter()) {
            converter.configure(Map.of("schemas.enable", "false"), false);
            schema = converter.asConnectSchema(new ObjectMapper().readTree((String) configs.get("schema.content")));
        } catch (JsonProcessingException error) {
            throw new DataException("schema.content is no JSON");
        }
    }

    @Override
    public byte[] fromConnectData(String topic, Schema given, Object value) {
        throw new DataException("this converter is for sinks only");
    }

    @Override
    public SchemaAndValue toConnectData(String topic, byte[] bytes) {
        if (isKey) {
            return new SchemaAndValue(schema, new Struct(schema).put(schema.fields().get(0), key(bytes)));
        }
        return bytes == null ? SchemaAndValue.NULL : new SchemaAndValue(schema, event(bytes));
    }

    @Override
    public SchemaAndValue toConnectData(String topic, Headers headers, byte[] bytes) {
        if (!isKey && bytes != null) {
            Header header = headers == null ? null : headers.lastHeader(VERSION_HEADER);
            byte[] found = header == null ? FIRST_VERSION.getBytes(StandardCharsets.US_ASCII) : header.value();
            if (!Arrays.equals(version.getBytes(StandardCharsets.US_ASCII), found)) {
                throw new DataException("not of version " + version + " of the contract");
            }
        }
        return toConnectData(topic, bytes);
    }

    private String key(byte[] bytes) {
        if (bytes == null || bytes.length == 0) {
            throw new DataException("the record has no key");
        }
        String key = withoutNul("the key", decoded(bytes));
        if (length(key) > longestKey) {
            throw new DataException("the key is longer than " + longestKey + " characters");
        }
        return key;
    }

    private Struct event(byte[] bytes) {
        if (bytes.length > MAX_BYTES) {
            throw new DataException("longer than " + MAX_BYTES + " bytes");
        }
        Map<String, Scalar> values = parsed(decoded(bytes));
        Struct struct = new Struct(schema);
        for (Field field : schema.fields()) {
            Scalar value = values.get(field.name());
            if (value == null && field.schema().defaultValue() != null) {
                struct.put(field, field.schema().defaultValue());
            } else if (value != null && value.token() != JsonToken.VALUE_NULL) {
                struct.put(field, value(field, value));
            } else if (!field.schema().isOptional()) {
                throw new DataException(field.name() + " is missing");
            }
        }
        return struct;
    }

    private static String decoded(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException error) {
            throw new DataException("not UTF-8");
        }
    }

    /** A value with its token; `text` is set for strings and numbers. */
    private record Scalar(JsonToken token, String text) {}

    /** The last value of each field of the contract. */
    private Map<String, Scalar> parsed(String text) {
        Map<String, Scalar> found = new HashMap<>();
        try (JsonParser parser = JSON.createParser(text)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new DataException("not a JSON object");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = wellFormed(parser.currentName());
                JsonToken token = parser.nextToken();
                boolean isText = token == JsonToken.VALUE_STRING || token.isNumeric();
                Scalar value = new Scalar(token, isText ? wellFormed(parser.getText()) : null);
                if (schema.field(name) != null) {
                    found.put(name, value);
                }
                pass(parser, token);
            }
            if (parser.nextToken() != null) {
                throw new DataException("malformed JSON");
            }
        } catch (IOException error) {
            throw new DataException("malformed JSON"); // its own message would quote the payload
        }
        return found;
    }

    /** Skips to the end of a list or object. */
    private static void pass(JsonParser parser, JsonToken first) throws IOException {
        int depth = first.isStructStart() ? 1 : 0;
        while (depth > 0) {
            JsonToken token = parser.nextToken();
            if (token == null) {
                throw new DataException("malformed JSON");
            }
            depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
            if (token == JsonToken.FIELD_NAME || token == JsonToken.VALUE_STRING) {
                wellFormed(parser.getText());
            }
        }
    }

    private static String wellFormed(String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new DataException("holds a lone surrogate");
        }
        return text;
    }

    private static Object value(Field field, Scalar value) {
        return switch (field.schema().type()) {
            case STRING -> text(field, value);
            case BOOLEAN -> {
                require(value.token().isBoolean(), field, "is not a boolean");
                yield value.token() == JsonToken.VALUE_TRUE;
            }
            case INT64 -> {
                Long number = value.token() == JsonToken.VALUE_NUMBER_INT ? whole(value.text()) : null;
                require(number != null, field, "is not a whole number of 64 bits");
                yield inRange(field, number);
            }
            case FLOAT64 -> {
                Double number = value.token().isNumeric() ? Double.valueOf(value.text()) : null;
                require(number != null && Double.isFinite(number), field, "is not a number");
                yield inRange(field, number);
            }
            default -> throw new DataException(field.name() + " has a type that no contract has");
        };
    }

    private static Long whole(String digits) {
        try {
            return Long.valueOf(digits);
        } catch (NumberFormatException error) {
            return null;
        }
    }

    private static Number inRange(Field field, Number number) {
        String minimum = parameter(field, "minimum");
        String maximum = parameter(field, "maximum");
        boolean below = minimum != null && number.doubleValue() < Double.parseDouble(minimum);
        boolean above = maximum != null && number.doubleValue() > Double.parseDouble(maximum);
        require(!below && !above, field, "is out of range");
        return number;
    }

    private static String text(Field field, Scalar value) {
        require(value.token() == JsonToken.VALUE_STRING, field, "is not a string");
        String text = withoutNul(field.name(), value.text());
        String length = parameter(field, "min_length");
        require(length == null || length(text) >= Integer.parseInt(length), field, "is too short");
        String most = parameter(field, "max_length");
        require(most == null || length(text) <= Integer.parseInt(most), field, "is too long");
        String choices = parameter(field, "choices");
        require(choices == null || Arrays.asList(choices.split("\\|")).contains(text), field, "is not one of its values");
        String pattern = parameter(field, "pattern");
        require(pattern == null || text.matches(pattern), field, "does not have its form");
        return "time".equals(parameter(field, "kind")) ? time(field, text) : text;
    }

    private static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    /** A time in UTC, rounded to microseconds. */
    private static String time(Field field, String text) {
        Matcher parts = TIME.matcher(text);
        require(parts.matches(), field, "is not a time in UTC");
        String fraction = parts.group(3) == null ? "" : parts.group(3);
        String nanos = fraction.substring(0, Math.min(fraction.length(), NANO_DIGITS));
        try {
            LocalDateTime exact =
                    LocalDateTime.parse(parts.group(1) + "T" + parts.group(2) + (nanos.isEmpty() ? "" : "." + nanos));
            OffsetDateTime time =
                    exact.plusNanos(HALF_A_MICRO).truncatedTo(ChronoUnit.MICROS).atOffset(ZoneOffset.UTC);
            require(time.getYear() >= 1000 && time.getYear() <= 2999, field, "is not a time between 1000 and 2999");
            return time.toString();
        } catch (DateTimeException error) {
            throw new DataException(field.name() + " is not a time");
        }
    }

    private static String withoutNul(String name, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new DataException(name + " holds a NUL character");
        }
        return text;
    }

    private static String parameter(Field field, String name) {
        Map<String, String> parameters = field.schema().parameters();
        return parameters == null ? null : parameters.get(name);
    }

    private static void require(boolean holds, Field field, String otherwise) {
        if (!holds) {
            throw new DataException(field.name() + " " + otherwise);
        }
    }
}

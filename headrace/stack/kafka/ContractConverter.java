package headrace.connect;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;

/**
 * Records to rows, as strictly as the contracts' own decoder (`contracts/decoding.py`): what that refuses is refused here,
 * with a reason, and goes to the dead letters. Kafka's JsonConverter would read a text as 0.0, and let a NUL pass, at
 * which PostgreSQL refuses the whole batch and the task ends.
 *
 * `schema.content` is what `contracts.delivery.connect_schema` gives. Keys are plain text, which becomes the one field
 * named by `field`, as the sink wants it. For sinks only.
 */
public final class ContractConverter implements Converter {
    private static final int MAX_BYTES = 1_000_000;
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private boolean isKey;
    private Schema schema;
    private int longestKey;

    @Override
    public void configure(Map<String, ?> configs, boolean isKey) {
        this.isKey = isKey;
        if (isKey) {
            longestKey = Integer.parseInt((String) configs.get("max.length"));
            schema = SchemaBuilder.struct().field((String) configs.get("field"), Schema.STRING_SCHEMA).build();
            return;
        }
        try (JsonConverter converter = new JsonConverter()) {
            converter.configure(Map.of("schemas.enable", "false"), false);
            schema = converter.asConnectSchema(JSON.readTree((String) configs.get("schema.content")));
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
        JsonNode object = parsed(decoded(bytes));
        if (object == null || !object.isObject()) {
            throw new DataException("not a JSON object");
        }
        Struct struct = new Struct(schema);
        for (Field field : schema.fields()) {
            JsonNode node = object.get(field.name());
            if (node == null && field.schema().defaultValue() != null) {
                struct.put(field, field.schema().defaultValue());
            } else if (node != null && !node.isNull()) {
                struct.put(field, value(field, node));
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

    private static JsonNode parsed(String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException error) {
            error.clearLocation(); // it would quote the payload
            throw new DataException("malformed JSON");
        }
    }

    private static Object value(Field field, JsonNode node) {
        return switch (field.schema().type()) {
            case STRING -> text(field, node);
            case BOOLEAN -> {
                require(node.isBoolean(), field, "is not a boolean");
                yield node.booleanValue();
            }
            case INT64 -> {
                require(node.isIntegralNumber() && node.canConvertToLong(), field, "is not a whole number of 64 bits");
                yield inRange(field, node).longValue();
            }
            case FLOAT64 -> {
                require(node.isNumber() && Double.isFinite(node.doubleValue()), field, "is not a number");
                yield inRange(field, node).doubleValue();
            }
            default -> throw new DataException(field.name() + " has a type that no contract has");
        };
    }

    private static JsonNode inRange(Field field, JsonNode number) {
        String minimum = parameter(field, "minimum");
        String maximum = parameter(field, "maximum");
        boolean below = minimum != null && number.doubleValue() < Double.parseDouble(minimum);
        boolean above = maximum != null && number.doubleValue() > Double.parseDouble(maximum);
        require(!below && !above, field, "is out of range");
        return number;
    }

    private static String text(Field field, JsonNode node) {
        require(node.isTextual(), field, "is not a string");
        String text = withoutNul(field.name(), node.textValue());
        require(StandardCharsets.UTF_8.newEncoder().canEncode(text), field, "holds a lone surrogate");
        String length = parameter(field, "min_length");
        require(length == null || text.length() >= Integer.parseInt(length), field, "is too short");
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

    private static String time(Field field, String text) {
        try {
            OffsetDateTime time = OffsetDateTime.parse(text.toUpperCase().replace(' ', 'T'));
            boolean valid = time.getOffset().equals(ZoneOffset.UTC) && time.getYear() >= 1000 && time.getYear() <= 2999;
            require(valid, field, "is not a time in UTC between 1000 and 2999");
            return time.truncatedTo(ChronoUnit.MICROS).toString();
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

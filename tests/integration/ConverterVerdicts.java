import headrace.connect.ContractConverter;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * The verdicts of Connect's converter, for tests: each line of the input is a value in base 64, each line of the output
 * what it becomes, as JSON: the row, or the reason why there is none. The argument is `schema.content`.
 */
public final class ConverterVerdicts {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        ContractConverter converter = new ContractConverter();
        converter.configure(Map.of("schema.content", arguments[0]), false);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(JSON.writeValueAsString(verdict(converter, Base64.getDecoder().decode(line))));
            out.flush();
        }
    }

    private static ObjectNode verdict(ContractConverter converter, byte[] value) {
        ObjectNode verdict = JSON.createObjectNode();
        try {
            Struct struct = (Struct) converter.toConnectData("topic", value).value();
            ObjectNode row = verdict.putObject("row");
            for (Field field : struct.schema().fields()) {
                row.putPOJO(field.name(), struct.get(field));
            }
        } catch (DataException error) {
            verdict.put("rejected", error.getMessage());
        }
        return verdict;
    }
}
